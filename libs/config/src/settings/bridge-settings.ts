import { integer, text } from '../define-settings.ts';

/** Settings of the bridge: a gateway that reads an existing MQTT 5 broker instead of listening. */
export const bridgeSettings = {
  bridgeUrl: text('BRIDGE_URL', {
    reason:
      'The broker that a bridge reads, as `mqtt://host:port` or `mqtts://host:port`. `npm start` runs a bridge when it is set.',
  }),
  bridgeUsername: text('BRIDGE_USERNAME', { reason: 'The user name that the bridge shows there. Empty: none.' }),
  bridgePassword: text('BRIDGE_PASSWORD', { reason: 'The password with it.', secret: true }),
  bridgeClientId: text('BRIDGE_CLIENT_ID', {
    default: 'breakwater-bridge',
    lengthMin: 1,
    reason:
      'The client id of the bridge. The broker keeps its session under it, so it stays the same over restarts, and each bridge has its own.',
  }),
  bridgeShare: text('BRIDGE_SHARE', {
    default: 'breakwater',
    lengthMin: 1,
    reason: 'The name of the shared subscription. Bridges of one installation have the same and share the messages.',
  }),
  bridgeTopic: text('BRIDGE_TOPIC', {
    default: '{tenant}/{device}/{topic}',
    lengthMin: 1,
    reason:
      'Which level of a topic there is what: `{device}` is one level, `{tenant}` may be one, `{topic}` may be the last and stands for what a device would write below `v1/devices/me/`. Without it everything is telemetry, without `{tenant}` it is all of `BRIDGE_TENANT`.',
  }),
  bridgeTenant: text('BRIDGE_TENANT', {
    default: 'default',
    lengthMin: 1,
    reason: 'The tenant of topics that name none, and the one that sees the dead letters of devices that do not exist.',
  }),
  bridgeDevice: text('BRIDGE_DEVICE', {
    default: 'bridge',
    lengthMin: 1,
    reason: 'The device id under which those dead letters are kept.',
  }),
  bridgeReceiveMax: integer('BRIDGE_RECEIVE_MAX', {
    default: 500,
    min: 1,
    max: 65_535,
    unit: 'messages',
    reason: 'Messages that may wait for the log (Receive Maximum): the broker keeps the others meanwhile.',
  }),
  bridgeSessionExpirySeconds: integer('BRIDGE_SESSION_EXPIRY_S', {
    default: 86_400,
    min: 0,
    max: 4_294_967_295,
    unit: 's',
    reason: 'How long the broker is asked to keep what comes while the bridge is away.',
  }),
  bridgeRegistryCacheMs: integer('BRIDGE_REGISTRY_CACHE_MS', {
    default: 5_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    reason:
      'How long the bridge goes by what the registry said of a device: a deleted one is heard for so much longer.',
  }),
} as const;
