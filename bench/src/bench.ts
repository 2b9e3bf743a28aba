import { runProgram } from './command-line.ts';
import { runMqttBenchmark } from './mqtt/run-mqtt-benchmark.ts';
import { runPlatformBenchmark } from './run-benchmark.ts';

/** `npm run bench` measures the platform, `npm run bench -- mqtt` the MQTT engine alone. */
void runProgram(() => {
  const [subject, ...argv] = process.argv.slice(2);
  return subject === 'mqtt' ? runMqttBenchmark(argv) : runPlatformBenchmark(process.argv.slice(2));
});
