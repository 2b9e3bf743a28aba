/** What Nest injects by: ports and settings are interfaces, which leave nothing at run time to name them. */
export const GATEWAY_SETTINGS = Symbol('GATEWAY_SETTINGS');
export const GATEWAY_PORTS = Symbol('GATEWAY_PORTS');
export const GATEWAY_LOGGER = Symbol('GATEWAY_LOGGER');
export const GATEWAY_METRICS = Symbol('GATEWAY_METRICS');
