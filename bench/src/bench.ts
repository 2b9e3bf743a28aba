import { runProgram } from './command-line.ts';
import { runCommandsBenchmark } from './commands/run-commands-benchmark.ts';
import { runGatewayBenchmark } from './gateway/run-gateway-benchmark.ts';
import { runKafkaBenchmark } from './kafka/run-kafka-benchmark.ts';
import { runMqttBenchmark } from './mqtt/run-mqtt-benchmark.ts';
import { runRowsBenchmark } from './rows/run-rows-benchmark.ts';
import { runPlatformBenchmark } from './run-benchmark.ts';
import { runStormBenchmark } from './storm/run-storm-benchmark.ts';
import { runTenantsBenchmark } from './tenants/run-tenants-benchmark.ts';
import { runTwinsBenchmark } from './twins/run-twins-benchmark.ts';

/**
 * `npm run bench` measures events at one rate, `-- storm` the whole storm, `-- commands` the path of commands,
 * `-- tenants` what one tenant feels of a noisy one, `-- mqtt` the MQTT engine alone, `-- gateway` the gateway alone,
 * `-- twins` the twin-workers, `-- rows` the writer and ClickHouse alone, and `-- kafka` the platform on Kafka beside
 * the same on the embedded log.
 */
void runProgram(async () => {
  const [subject, ...argv] = process.argv.slice(2);
  if (subject === 'storm') return void (await runStormBenchmark(argv));
  if (subject === 'tenants') return runTenantsBenchmark(argv);
  if (subject === 'commands') return runCommandsBenchmark(argv);
  if (subject === 'twins') return runTwinsBenchmark(argv);
  if (subject === 'kafka') return runKafkaBenchmark(argv);
  if (subject === 'gateway') return runGatewayBenchmark(argv);
  if (subject === 'rows') return runRowsBenchmark(argv);
  return subject === 'mqtt' ? runMqttBenchmark(argv) : runPlatformBenchmark(process.argv.slice(2));
});
