export { startEmbeddedClickhouse } from './embedded-server.ts';
