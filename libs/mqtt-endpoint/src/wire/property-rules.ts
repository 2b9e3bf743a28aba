/** What MQTT 5 says about each property: its identifier, its type on the wire, and the packets that may carry it. */

export const PropertyHolder = {
  connect: 1,
  will: 2,
  publish: 4,
  acknowledgement: 8,
  subscribe: 16,
  unsubscribe: 32,
  disconnect: 64,
} as const;
export type PropertyHolder = (typeof PropertyHolder)[keyof typeof PropertyHolder];

export type PropertyType = 'flag' | 'uint16' | 'uint32' | 'variable' | 'string' | 'binary' | 'pair';

export interface PropertyRule {
  readonly type: PropertyType;
  /** Sum of the `PropertyHolder`s that may carry it, as a client sends them. */
  readonly holders: number;
  readonly nonZero: boolean;
  readonly repeatable: boolean;
}

const { connect, will, publish, acknowledgement, subscribe, unsubscribe, disconnect } = PropertyHolder;
const everywhere = connect | will | publish | acknowledgement | subscribe | unsubscribe | disconnect;

function rule(type: PropertyType, holders: number, options: Partial<PropertyRule> = {}): PropertyRule {
  return { type, holders, nonZero: false, repeatable: false, ...options };
}

export const PropertyId = { topicAlias: 0x23, userProperty: 0x26 } as const;

const rulesById: readonly (readonly [number, PropertyRule])[] = [
  [0x01, rule('flag', will | publish)], // Payload Format Indicator
  [0x02, rule('uint32', will | publish)], // Message Expiry Interval
  [0x03, rule('string', will | publish)], // Content Type
  [0x08, rule('string', will | publish)], // Response Topic
  [0x09, rule('binary', will | publish)], // Correlation Data
  [0x0b, rule('variable', subscribe, { nonZero: true })], // Subscription Identifier
  [0x11, rule('uint32', connect | disconnect)], // Session Expiry Interval
  [0x15, rule('string', connect)], // Authentication Method
  [0x16, rule('binary', connect)], // Authentication Data
  [0x17, rule('flag', connect)], // Request Problem Information
  [0x18, rule('uint32', will)], // Will Delay Interval
  [0x19, rule('flag', connect)], // Request Response Information
  [0x1f, rule('string', acknowledgement | disconnect)], // Reason String
  [0x21, rule('uint16', connect, { nonZero: true })], // Receive Maximum
  [0x22, rule('uint16', connect)], // Topic Alias Maximum
  // Topic Alias 0 has a reason code of its own (0x94), given by the alias table.
  [PropertyId.topicAlias, rule('uint16', publish)],
  [PropertyId.userProperty, rule('pair', everywhere, { repeatable: true })],
  [0x27, rule('uint32', connect, { nonZero: true })], // Maximum Packet Size
];

/** Properties that only a server may send are not in this table: from a client they are malformed. */
export const propertyRules: ReadonlyMap<number, PropertyRule> = new Map(rulesById);
