import { runProgram } from './command-line.ts';
import { runCommandsBenchmark } from './commands/run-commands-benchmark.ts';
import { runMqttBenchmark } from './mqtt/run-mqtt-benchmark.ts';
import { runPlatformBenchmark } from './run-benchmark.ts';

/** `npm run bench` measures events, `-- commands` the path of commands, `-- mqtt` the MQTT engine alone. */
void runProgram(() => {
  const [subject, ...argv] = process.argv.slice(2);
  if (subject === 'commands') return runCommandsBenchmark(argv);
  return subject === 'mqtt' ? runMqttBenchmark(argv) : runPlatformBenchmark(process.argv.slice(2));
});
