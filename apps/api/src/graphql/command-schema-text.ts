import { COMMAND_STATES } from '@breakwater/twin';

/** What the GraphQL schema says about commands. */
export const COMMAND_SCHEMA_TEXT = `
enum CommandState {
  ${COMMAND_STATES.join('\n  ')}
}

type CommandTransition {
  state: CommandState!
  at: Float!
  reason: String
}

type CommandProgress {
  percent: Float
  note: String
}

type Command {
  commandId: String!
  deviceId: String!
  method: String!
  params: JSON
  state: CommandState!
  orderedAt: Float!
  "It is never sent to the device after this."
  deadline: Float!
  "How often it was given to a session of the device."
  attempts: Int!
  transitions: [CommandTransition!]!
  progress: CommandProgress
  "What the device answered."
  result: JSON
  "The device's result is over the limit and was not kept."
  resultTooLarge: Boolean!
  "It ended without an answer, and nobody knows whether the device ever got it."
  deliveryUnknown: Boolean!
  "Canceled after it may have reached the device."
  mayHaveRun: Boolean!
  "What the device answered after the end."
  late: CommandTransition
}

type CommandPage {
  items: [Command!]!
  nextCursor: String
}

input CommandRetryInput {
  "The first time included."
  attempts: Int
  initialMs: Int
  maxMs: Int
}

input SendCommandInput {
  clientMutationId: String
  deviceId: String!
  "The same id with the same order is the same command. Made up when left out."
  commandId: String
  method: String!
  params: JSON
  "Unix ms, 30 days ahead at most."
  deadline: Float
  "The deadline, counted from now. 24 h when neither is given."
  timeoutSeconds: Float
  "How often a command without PUBACK is sent in one session."
  retry: CommandRetryInput
  "In place of a commandId."
  idempotencyKey: String
}

"The order itself cannot be one: too large, too deep, or its deadline is none."
type CommandInvalid implements Refusal {
  code: String!
  message: String!
}

"The id, or the key, is that of another command."
type CommandConflict implements Refusal {
  code: String!
  message: String!
}

"As many commands wait for this device as may."
type TooManyCommands implements Refusal {
  code: String!
  message: String!
}

"Temporal, which keeps commands, does not answer. With a commandId the order may have been taken: repeat it with that."
type CommandsUnavailable implements Refusal {
  code: String!
  message: String!
  commandId: String
}

union SendCommandError =
  CommandInvalid | CommandConflict | TooManyCommands | CommandsUnavailable | DeviceNotFound | TryAgainLater

type SendCommandPayload {
  clientMutationId: String
  "Null when there is an error."
  command: Command
  error: SendCommandError
}

input CancelCommandInput {
  clientMutationId: String
  commandId: String!
  "Also when it may have reached the device."
  force: Boolean = false
  reason: String
}

"There is no such command in this tenant."
type CommandNotFound implements Refusal {
  code: String!
  message: String!
}

"It may have reached the device."
type CommandSent implements Refusal {
  code: String!
  message: String!
}

type CommandEnded implements Refusal {
  code: String!
  message: String!
}

"Durable, and decided later: ask for the command."
type CancelPending implements Refusal {
  code: String!
  message: String!
}

union CancelCommandError = CommandNotFound | CommandSent | CommandEnded | CancelPending | TryAgainLater

type CancelCommandPayload {
  clientMutationId: String
  "Null when there is an error."
  command: Command
  error: CancelCommandError
}
`;
