export { startGateway } from './start-gateway.ts';
export { readGatewaySettings } from './read-gateway-settings.ts';
export type { GatewaySettings } from './read-gateway-settings.ts';
