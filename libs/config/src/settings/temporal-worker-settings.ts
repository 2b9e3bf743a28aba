import { integer } from '../define-settings.ts';

/** Settings of the process that runs the workflows of commands. */
export const temporalWorkerSettings = {
  temporalRetentionDays: integer('TEMPORAL_RETENTION_DAYS', {
    default: 30,
    min: 1,
    max: 3_650,
    unit: 'days',
    reason:
      'How long a namespace that the worker of commands makes keeps closed workflows. One that is there stays as it is. The state of commands is asked of twins and ClickHouse, never of closed workflows.',
  }),
  workflowsCachedMax: integer('TEMPORAL_WORKER_WORKFLOWS_CACHED_MAX', {
    default: 500,
    min: 10,
    max: 100_000,
    unit: 'workflows',
    reason: 'Workflows whose state stays in memory; the others are replayed from their history when word comes.',
  }),
  workflowTasksMax: integer('TEMPORAL_WORKER_WORKFLOW_TASKS_MAX', {
    default: 40,
    min: 2,
    max: 1_000,
    unit: 'tasks',
    reason: 'Workflow tasks at once.',
  }),
  activityTasksMax: integer('TEMPORAL_WORKER_ACTIVITY_TASKS_MAX', {
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'tasks',
    reason: 'Activities at once; each waits for one append to the log.',
  }),
} as const;
