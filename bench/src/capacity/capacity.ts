import { runProgram } from '../command-line.ts';
import { runCapacity } from './run-capacity.ts';

void runProgram(() => runCapacity(process.argv.slice(2)));
