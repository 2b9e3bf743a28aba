export type { CommandActivities } from './command-activities.ts';
