import type { DeviceCommandInput } from '@breakwater/wire/command-workflow';

/** What the workflow has done for it. All of them are records for the twin: told twice they are done once. */
export interface CommandActivities {
  orderCommand(input: DeviceCommandInput): Promise<void>;
  resendCommand(input: DeviceCommandInput, dispatch: number): Promise<void>;
  checkCommand(input: DeviceCommandInput): Promise<void>;
  cancelCommand(input: DeviceCommandInput, reason: string): Promise<void>;
}
