export { CommandRecords } from './command-records.ts';
export type { CommandRecordsOptions } from './command-records.ts';
