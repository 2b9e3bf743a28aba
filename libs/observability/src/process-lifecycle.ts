import type { Logger } from './logger.ts';

/** How long an orderly stop may take before the process ends all the same. */
const STOP_GRACE_MS = 30_000;

/** Set by a supervisor that holds our stdin open: when the pipe closes, the supervisor is gone and we stop too. */
const SUPERVISED_VARIABLE = 'BREAKWATER_SUPERVISED';

export interface RunningProcess {
  /** Named ports that the process listens on, for the ready line. */
  readonly ports: Readonly<Record<string, number>>;
  /** Stops in order, with nothing lost. Called once. */
  stop(): Promise<void>;
}

/**
 * Runs one process from start to exit code. Prints a line with `event: "ready"` once it serves, stops in order on
 * SIGTERM, SIGINT or when the supervisor's pipe closes, and turns a failed start into one clear line and exit code 1.
 */
export async function runProcess(logger: Logger, start: () => Promise<RunningProcess>): Promise<void> {
  const stopRequested = stopRequest(logger);
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'this must never happen: the process stops');
    process.exit(1);
  });
  let running: RunningProcess;
  try {
    running = await start();
  } catch (error) {
    logger.fatal({ event: 'startFailed', code: codeOf(error) }, messageOf(error));
    process.exit(1);
  }
  logger.info({ event: 'ready', ports: running.ports, pid: process.pid }, 'ready');
  const cause = await stopRequested;
  logger.info({ event: 'stopping', cause }, 'stopping');
  const forced = setTimeout(() => {
    logger.error({ event: 'stopForced', graceMs: STOP_GRACE_MS }, 'the stop took too long and is forced');
    process.exit(1);
  }, STOP_GRACE_MS);
  await running.stop();
  clearTimeout(forced);
  logger.info({ event: 'stopped' }, 'stopped');
  process.exit(0);
}

function stopRequest(logger: Logger): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
    if (process.env[SUPERVISED_VARIABLE] !== '1') return;
    process.stdin.on('end', () => resolve('supervisor gone'));
    process.stdin.on('error', (error) => {
      logger.warn({ err: error }, 'the pipe from the supervisor broke');
      resolve('supervisor gone');
    });
    process.stdin.resume();
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
