export { EmbeddedProcess } from './embedded-process.ts';
