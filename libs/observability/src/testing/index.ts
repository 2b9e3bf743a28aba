export { endProcess } from './end-process.ts';
export { StartedProgram } from './started-program.ts';
export type { ProgramOptions, ReadyPorts } from './started-program.ts';
