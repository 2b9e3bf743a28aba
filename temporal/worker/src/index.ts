export { SignalPump } from './signal-pump.ts';
export type { SignalPumpOptions } from './signal-pump.ts';
