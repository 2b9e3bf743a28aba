export { cliProgram } from './cli-program.ts';
export type { ProgramParts } from './cli-program.ts';
