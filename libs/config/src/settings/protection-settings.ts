import { integer } from '../define-settings.ts';

/** Settings of what the gateway does about those who connect too often, guess, or cannot hold a connection. */
export const protectionSettings = {
  deviceConnectsPerMinuteMax: integer('GATEWAY_DEVICE_CONNECTS_PER_MINUTE_MAX', {
    default: 60,
    min: 0,
    max: 100_000,
    unit: 'CONNECTs',
    reason:
      'CONNECTs of one device, and of one credential, in a minute at one gateway. Clients that try again each second are below it. 0: no limit.',
  }),
  addressConnectsPerMinuteMax: integer('GATEWAY_ADDRESS_CONNECTS_PER_MINUTE_MAX', {
    default: 0,
    min: 0,
    max: 10_000_000,
    unit: 'CONNECTs',
    reason:
      'CONNECTs of one address (IPv6: of one /64) in a minute at one gateway. 0, no limit, because whole fleets sit behind one address.',
  }),
  authenticationFailuresMax: integer('GATEWAY_AUTH_FAILURES_PER_MINUTE_MAX', {
    default: 10,
    min: 0,
    max: 100_000,
    unit: 'failures',
    reason:
      'Different bad credentials of one address within a minute that end in a ban; so many failures under one client id or user name are held off without one. 0 turns both off, as behind a balancer that hides the addresses of its clients.',
  }),
  authenticationBanMs: integer('GATEWAY_AUTH_BAN_MS', {
    default: 300_000,
    min: 100,
    max: 86_400_000,
    unit: 'ms',
    reason: 'How long who failed to authenticate too often is banned.',
  }),
  flappingClosesMax: integer('GATEWAY_FLAPPING_CLOSES_MAX', {
    default: 15,
    min: 0,
    max: 100_000,
    unit: 'closes',
    reason:
      'Connections of one device that end without DISCONNECT, or by an error of its own, within the window, and so end in a ban. 0: no ban.',
  }),
  flappingWindowMs: integer('GATEWAY_FLAPPING_WINDOW_MS', {
    default: 60_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    reason: 'The window of the setting before this one.',
  }),
  flappingBanMs: integer('GATEWAY_FLAPPING_BAN_MS', {
    default: 300_000,
    min: 100,
    max: 86_400_000,
    unit: 'ms',
    reason: 'How long a device that cannot hold its connection is banned.',
  }),
  subscribesPerMinuteMax: integer('GATEWAY_SUBSCRIBES_PER_MINUTE_MAX', {
    default: 120,
    min: 1,
    max: 1_000_000,
    unit: 'packets',
    reason: 'SUBSCRIBE packets of one connection in a minute. Each may bring the device its whole desired state.',
  }),
  protectionKeysMax: integer('GATEWAY_PROTECTION_KEYS_MAX', {
    default: 20_000,
    min: 100,
    max: 10_000_000,
    unit: 'keys',
    reason:
      'Devices, credentials, addresses and names that are counted, each in a list of its own. The one that was quiet longest is forgotten first.',
  }),
  bansMax: integer('BANS_MAX', {
    default: 2_000,
    min: 1,
    max: 100_000,
    unit: 'bans',
    reason:
      'Bans of the installation. The one that ends first makes room. Each gateway reads all of them when one has changed.',
  }),
  bansPollMs: integer('GATEWAY_BANS_POLL_MS', {
    default: 1_000,
    min: 10,
    max: 60_000,
    unit: 'ms',
    reason: 'How often a gateway asks whether the bans have changed: how long one that is put or lifted takes to hold.',
  }),
} as const;
