import { COMMAND_SCHEMA_TEXT } from './command-schema-text.ts';

/** The GraphQL schema. Times are Unix ms as Float: an Int has 32 bits. */
export const SCHEMA_TEXT = `
"Any JSON value."
scalar JSON

interface Node {
  id: ID!
}

type PageInfo {
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
  endCursor: String
}

type Device implements Node {
  "Opaque and unique over all types; \`deviceId\` is the device's own."
  id: ID!
  deviceId: String!
  createdAt: Float!
  incarnation: Int!
  "auto, json or cbor."
  payloadFormat: String!
  "It may speak for child devices."
  isGateway: Boolean!
  "The gateway device whose child it is."
  via: String
  twin: Twin!
  telemetry(
    keys: [String!]
    from: Float
    to: Float
    "Width of a bucket in ms; raw values without it."
    step: Float
    agg: Aggregation
    limit: Int = 50
    cursor: String
  ): TelemetryPage!
  "The one ordered last first; the first page also has what the history does not know yet."
  commands(state: CommandState, limit: Int = 50, cursor: String): CommandPage!
}

type DeviceEdge {
  node: Device!
  cursor: String!
}

type DeviceConnection {
  edges: [DeviceEdge!]!
  nodes: [Device!]!
  pageInfo: PageInfo!
}


type Twin {
  deviceId: String!
  "Counts changes of desired and tags."
  version: Int!
  desired: JSON!
  reported: JSON!
  "What of desired the device has not reported."
  delta: JSON!
  tags: JSON!
  "The newest value of each key."
  telemetry: JSON!
  presence: JSON!
}

enum Aggregation {
  avg
  min
  max
  sum
  count
  last
}

type TelemetryItem {
  ts: Float!
  key: String!
  value: JSON
}

type TelemetryPage {
  items: [TelemetryItem!]!
  nextCursor: String
}

"Why something was not done. \`code\` is the contract."
interface Refusal {
  code: String!
  message: String!
}

"The twin has none of the wanted versions."
type VersionConflict implements Refusal {
  code: String!
  message: String!
}

"The patch cannot be applied to this twin."
type PatchRefused implements Refusal {
  code: String!
  message: String!
}

"There is no such device in this tenant."
type DeviceNotFound implements Refusal {
  code: String!
  message: String!
}

"Durable, and applied later."
type WritePending implements Refusal {
  code: String!
  message: String!
  operationId: ID!
}

"The twin is served too far behind, or a store is away. Nothing is known to be written."
type TryAgainLater implements Refusal {
  code: String!
  message: String!
}

union UpdateDesiredError = VersionConflict | PatchRefused | DeviceNotFound | WritePending | TryAgainLater

input UpdateDesiredInput {
  clientMutationId: String
  deviceId: String!
  "JSON Merge Patch (RFC 7396)."
  desired: JSON
  "JSON Merge Patch."
  tags: JSON
  "Apply only if the twin has this version."
  expectedVersion: Int
  "A repeat under the same key gets the first outcome."
  idempotencyKey: String
}

type UpdateDesiredPayload {
  clientMutationId: String
  "Null when there is an error."
  twin: Twin
  error: UpdateDesiredError
}

input CreateDeviceInput {
  clientMutationId: String
  "A UUID when left out."
  deviceId: String
}

type DeviceExists implements Refusal {
  code: String!
  message: String!
}

union CreateDeviceError = DeviceExists | TryAgainLater

type CreateDevicePayload {
  clientMutationId: String
  device: Device
  "What the device connects with. Shown this once."
  token: String
  error: CreateDeviceError
}

type TwinChange {
  deviceId: String!
  twin: Twin!
  "What changed: desired, reported, tags, presence, or telemetry alone. Empty after a gap."
  sections: [String!]!
  "Changes before this one were missed: a slow client, or a feed that no longer has them."
  gap: Boolean!
  "Resumes after this change."
  cursor: String!
}

${COMMAND_SCHEMA_TEXT}
type Query {
  node(id: ID!): Node
  device(id: String!): Device
  "In order of id."
  devices(first: Int = 50, after: String): DeviceConnection!
  twin(deviceId: String!): Twin
  command(commandId: String!): Command
  telemetry(
    deviceId: String!
    keys: [String!]
    from: Float
    to: Float
    "Width of a bucket in ms; raw values without it."
    step: Float
    agg: Aggregation
    limit: Int = 50
    cursor: String
  ): TelemetryPage!
}

type Mutation {
  createDevice(input: CreateDeviceInput!): CreateDevicePayload!
  updateDesired(input: UpdateDesiredInput!): UpdateDesiredPayload!
  sendCommand(input: SendCommandInput!): SendCommandPayload!
  "Before it may have reached the device it ends; after that only with force, and then it may have run."
  cancelCommand(input: CancelCommandInput!): CancelCommandPayload!
}

type Subscription {
  "Every change of the twin, and of its telemetry once a second at most; \`after\` resumes behind a cursor."
  twinChanged(deviceId: String!, after: String): TwinChange!
  "The command as it is, then after every change; completes when the command has ended."
  commandChanged(commandId: String!): Command!
}
`;
