export { createApiApplication } from './api-application.ts';
export type { ApiModuleOptions } from './api-module.ts';
export type { ApiOptions, ApiPorts } from './api-ports.ts';
