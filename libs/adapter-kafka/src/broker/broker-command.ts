/** What runs a broker, as `tools/provide-kafka.mjs` finds it. */
export interface KafkaProgram {
  readonly java: string;
  readonly jarsFolder: string;
}

export interface BrokerCommandOptions extends KafkaProgram {
  readonly propertiesFile: string;
  readonly heapMb: number;
  /** More options for Java, such as one that makes a short life begin sooner. */
  readonly javaOptions?: readonly string[];
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** The tool needs little, and is over in two seconds. */
const FORMAT_HEAP_MB = 64;

/** Runs the broker in the foreground, until SIGTERM. What it has to say goes to stderr. */
export function brokerCommand({ propertiesFile, ...options }: BrokerCommandOptions): Command {
  return javaCommand(options, ['kafka.Kafka', propertiesFile]);
}

/** Prepares the data folder that the properties name. On one that is prepared already it does nothing. */
export function formatCommand(options: BrokerCommandOptions, clusterId: string): Command {
  const { propertiesFile, ...java } = options;
  // In one word with its name: an id may begin with a dash.
  const args = ['format', '--ignore-formatted', `--cluster-id=${clusterId}`, '--config', propertiesFile];
  return javaCommand({ ...java, heapMb: FORMAT_HEAP_MB }, ['kafka.tools.StorageTool', ...args]);
}

function javaCommand(options: Omit<BrokerCommandOptions, 'propertiesFile'>, main: readonly string[]): Command {
  const { java, jarsFolder, heapMb, javaOptions = [] } = options;
  return {
    program: java,
    args: [
      `-Xmx${heapMb}m`,
      // A heap this small is collected in milliseconds by one thread, and the threads of other collectors cost memory.
      '-XX:+UseSerialGC',
      '-Djava.awt.headless=true',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      ...javaOptions,
      '-cp',
      `${jarsFolder}/*`,
      ...main,
    ],
  };
}
