/** All that a worker registers: what this module exports are the workflows. */
export { deviceCommand } from './device-command.ts';
