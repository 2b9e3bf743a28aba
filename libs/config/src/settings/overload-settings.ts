import { integer } from '../define-settings.ts';

/** Settings of what devices and tenants may send, and of what a gateway does when it has too much in hand. */
export const overloadSettings = {
  publishBytesPerSecondMax: integer('GATEWAY_PUBLISH_BYTES_PER_SECOND_MAX', {
    default: 4 * 1024 * 1024,
    min: 0,
    max: 1024 ** 3,
    unit: 'bytes/s',
    reason:
      'Bytes of the messages of one connection in a second, or in one burst; those above it wait as above `GATEWAY_PUBLISHES_PER_SECOND_MAX`. 0: no limit.',
  }),
  overRateMsMax: integer('GATEWAY_OVER_RATE_MS', {
    default: 300_000,
    min: 0,
    max: 86_400_000,
    unit: 'ms',
    reason:
      'How long a device may be over one of these two rates without a pause; then it is disconnected (MQTT 5: 0x96). Long enough to send what a device kept through an outage. 0: it is slowed for ever.',
  }),
  tenantPublishesPerSecondMax: integer('GATEWAY_TENANT_PUBLISHES_PER_SECOND_MAX', {
    default: 0,
    min: 0,
    max: 10_000_000,
    unit: 'messages/s',
    reason:
      'Messages of all devices of one tenant in a second, at one gateway. Those above it wait, and its devices take turns. 0: no limit, for an installation of one tenant.',
  }),
  tenantPublishBytesPerSecondMax: integer('GATEWAY_TENANT_PUBLISH_BYTES_PER_SECOND_MAX', {
    default: 0,
    min: 0,
    max: 100 * 1024 ** 3,
    unit: 'bytes/s',
    reason: 'The same in bytes. 0: no limit.',
  }),
  stopReadingBytes: integer('GATEWAY_STOP_READING_BYTES', {
    default: 24 * 1024 * 1024,
    min: 128 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
    reason:
      'Above this queue for the log each connection is read one message at a time: the next one when nothing of it waits any more. Below `GATEWAY_SHED_BYTES`, because to read less loses nothing.',
  }),
} as const;
