export { prepareNamespace } from './prepare-namespace.ts';
export type { NamespaceOptions, NamespaceServices } from './prepare-namespace.ts';
export { temporalHealth } from './temporal-health.ts';
export type { TemporalHealth, TemporalPlace } from './temporal-health.ts';
export { TemporalProbe } from './temporal-probe.ts';
export type { TemporalProbeOptions } from './temporal-probe.ts';
export { TemporalCommandWorkflows } from './temporal-command-workflows.ts';
