import { resolve } from 'node:path';

import { platformSettings, readSettings } from '@breakwater/config';
import type { Partition } from '@breakwater/twin';
import { Command, InvalidArgumentError, Option } from 'commander';

import { deadLettersCommand, type DeadLettersOptions } from './commands/dead-letters-command.ts';
import { ledgerCommand, type LedgerOptions } from './commands/ledger-command.ts';
import { logRestoredCommand } from './commands/log-restored-command.ts';
import { migrateCommand } from './commands/migrate-command.ts';
import { rebuildCommand } from './commands/rebuild-command.ts';
import { logTopicsCommand } from './commands/log-topics-command.ts';
import { registryExportCommand } from './commands/registry-export-command.ts';
import { registryImportCommand } from './commands/registry-import-command.ts';
import { rowsSkipCommand, type RowsSkipOptions } from './commands/rows-skip-command.ts';
import { verifyCommand, type VerifyOptions } from './commands/verify-command.ts';
import { connectForRebuild, connectStores, type Stores } from './installation/connect-stores.ts';
import { findInstallation, type Installation } from './installation/find-installation.ts';
import { withRedis } from './installation/with-redis.ts';
import type { Terminal } from './terminal.ts';
import { VERIFIED_PARTS } from './verify/finding.ts';

export interface ProgramParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** Told how a command ended. */
  readonly onEnd: (exitCode: number) => void;
}

interface GlobalOptions {
  readonly url?: string;
  readonly key?: string;
  readonly data?: string;
}

const DEAD_LETTERS_DEFAULT = 20;
const DEAD_LETTERS_MAX = 1_000;
const PARTITIONS_MAX = 65_535;
const TWINS_DEFAULT = 64;
const TWINS_MAX = 10_000;
const WAIT_SECONDS_DEFAULT = 5;
const WAIT_SECONDS_MAX = 3_600;

/** The command line of `breakwater`. */
export function cliProgram(parts: ProgramParts): Command {
  const program = new Command('breakwater')
    .description('Looks after an installation: the one that runs on the data folder, or the one that settings name.')
    .option('--data <folder>', 'data folder of an embedded installation (DATA_DIR)')
    .option('--url <url>', 'address of the API (BREAKWATER_URL)')
    .option('--key <key>', 'API key (ADMIN_API_KEY)')
    .addHelpText('after', '\nExit codes: 0 all is well, 1 something differs, 2 it could not be found out.')
    .configureOutput({ writeOut: (text) => parts.terminal.line(text.trimEnd()) })
    // Whoever runs it decides how the process ends; commands inherit this.
    .exitOverride()
    .showHelpAfterError();
  addLedger(program, parts);
  addVerify(program, parts);
  addRebuild(program, parts);
  addDeadLetters(program, parts);
  addLog(program, parts);
  addMigrate(program, parts);
  addRegistry(program, parts);
  addRows(program, parts);
  return program;
}

function addLedger(program: Command, { env, terminal, signal, onEnd }: ProgramParts): void {
  program
    .command('ledger')
    .description('what was appended to the log, what became of it, and whether it adds up')
    .option('--watch', 'again every second, until Ctrl-C')
    .option('--partitions', 'each partition as well')
    .option('--json', 'as the API gives it')
    .action(async (options: LedgerOptions, command: Command) => {
      onEnd(await ledgerCommand(installationOf(command, env), options, { terminal, signal }));
    });
}

function addVerify(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  program
    .command('verify')
    .description('compare rows, rollups and twins with the log, independent of all counters')
    .option('--twins <count>', 'twins that are replayed', wholeNumber(TWINS_MAX), TWINS_DEFAULT)
    .option('--wait-seconds <seconds>', 'between copy and replay', wholeNumber(WAIT_SECONDS_MAX), WAIT_SECONDS_DEFAULT)
    .option('--keep <file>', 'copy twins into a file now, for a later --from, and nothing else')
    .option('--from <file>', 'replay from the copies of an earlier --keep')
    .addOption(new Option('--only <part>', 'one part only').choices([...VERIFIED_PARTS]))
    .option('--json', 'for programs')
    .action(async (options: VerifyOptions, command: Command) => {
      const run = (stores: Stores): Promise<number> => verifyCommand(stores, options, terminal);
      onEnd(await withStores(installationOf(command, env), env, run));
    });
}

function addRebuild(program: Command, { env, terminal, signal, onEnd }: ProgramParts): void {
  program
    .command('rebuild')
    .description('bring lost twins back, from their snapshots in ClickHouse and the log; touches nothing that is there')
    .option('--replace <partition>', 'only this one, also when it is there', wholeNumber(PARTITIONS_MAX))
    .action(async (options: { readonly replace?: number }, command: Command) => {
      const stores = await connectForRebuild(installationOf(command, env), env);
      const replace = options.replace === undefined ? {} : { replace: options.replace as Partition };
      try {
        onEnd(await rebuildCommand(stores, replace, { terminal, signal }));
      } finally {
        await stores.close();
      }
    });
}

function addDeadLetters(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  program
    .command('dead-letters')
    .description('messages that could not be used, newest first, with the reason')
    .option('--device <id>', 'of this device only')
    .option('--limit <count>', 'so many', wholeNumber(DEAD_LETTERS_MAX), DEAD_LETTERS_DEFAULT)
    .option('--json', 'with their bytes')
    .action(async (options: DeadLettersOptions, command: Command) => {
      onEnd(await deadLettersCommand(installationOf(command, env), options, terminal));
    });
}

function addLog(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  const log = program.command('log').description('the event log');
  log
    .command('topics')
    .description('make the topics of the log in Kafka where they are missing, and check them (EVENT_LOG=kafka)')
    .action(async () => onEnd(await logTopicsCommand(env, terminal)));
  log
    .command('restored')
    .description('say that Redis was restored from a backup: while everything is stopped, before it starts again')
    .action(async (_options: object, command: Command) => {
      const { data } = command.optsWithGlobals<GlobalOptions>();
      const { dataDir } = readSettings(platformSettings, data === undefined ? env : { ...env, DATA_DIR: data });
      onEnd(await logRestoredCommand({ env, dataFolder: resolve(dataDir) }, terminal));
    });
}

function addRegistry(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  const registry = program
    .command('registry')
    .description('tenants, API keys, devices, and what they prove themselves with');
  registry
    .command('export')
    .description('copy all of it into a new file; secrets are in it as the hashes that are stored')
    .argument('<file>', 'lines of JSON; - for the standard output')
    .action(async (file: string, _options: object, command: Command) => {
      const look = { env, ...command.optsWithGlobals<GlobalOptions>() };
      onEnd(await withRedis(look, (redis) => registryExportCommand(redis, file, terminal)));
    });
  registry
    .command('import')
    .description('add what a copy has and this one has not; replaces nothing, and may be said again')
    .argument('<file>', 'made by export; - for the standard input')
    .action(async (file: string, _options: object, command: Command) => {
      const look = { env, ...command.optsWithGlobals<GlobalOptions>() };
      onEnd(await withRedis(look, (redis) => registryImportCommand(redis, file, terminal)));
    });
}

function addRows(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  const rows = program.command('rows').description('stored telemetry');
  rows
    .command('skip')
    .description('say what the log has forgotten before it was stored, as after a restore of ClickHouse')
    .option('--accept-loss', 'let the telemetry-writer go on behind it')
    .action(async (options: RowsSkipOptions, command: Command) => {
      const run = (stores: Stores): Promise<number> => rowsSkipCommand(stores, options, terminal);
      onEnd(await withStores(installationOf(command, env), env, run));
    });
}

function addMigrate(program: Command, { env, terminal, onEnd }: ProgramParts): void {
  program
    .command('migrate')
    .description(
      'bring the ClickHouse that settings name, and with EVENT_LOG=kafka the topics, to what this build needs',
    )
    .action(async () => {
      const settings = readSettings(platformSettings, env);
      if (settings.eventLog === 'kafka') await logTopicsCommand(env, terminal);
      onEnd(await migrateCommand(settings, terminal));
    });
}

function installationOf(command: Command, env: ProgramParts['env']): Installation {
  return findInstallation({ env, ...command.optsWithGlobals<GlobalOptions>() });
}

async function withStores(
  installation: Installation,
  env: ProgramParts['env'],
  run: (stores: Stores) => Promise<number>,
): Promise<number> {
  const stores = await connectStores(installation, env);
  try {
    return await run(stores);
  } finally {
    await stores.close();
  }
}

function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value > max) throw new InvalidArgumentError(`a whole number from 0 to ${max} is needed`);
    return value;
  };
}
