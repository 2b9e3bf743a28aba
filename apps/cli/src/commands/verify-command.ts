import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Partition } from '@breakwater/twin';
import { readLedger, systemRandom } from '@breakwater/twin-runtime';

import { CliFailure, EXIT } from '../cli-failure.ts';
import type { Stores } from '../installation/connect-stores.ts';
import { bad, dim, good, type Terminal } from '../terminal.ts';
import { type PartResult, type VerifiedPart, VERIFIED_PARTS } from '../verify/finding.ts';
import { mustHaveRows } from '../verify/must-have-rows.ts';
import { copyShard, sampleKeys, type CopiedShard } from '../verify/twin-copies.ts';
import { verifyLedger } from '../verify/verify-ledger.ts';
import { verifyRollups } from '../verify/verify-rollups.ts';
import { verifyRows } from '../verify/verify-rows.ts';
import { verifyTwins } from '../verify/verify-twins.ts';

export interface VerifyOptions {
  readonly json?: boolean;
  readonly twins: number;
  readonly waitSeconds: number;
  /** Copies twins into this file and ends. */
  readonly keep?: string;
  /** Takes the earlier copies from this file instead of waiting. */
  readonly from?: string;
  readonly only?: VerifiedPart;
}

const PAUSE_MS = 1_000;

/** Answers the exit code: 0 only when everything was compared and nothing differs. */
export async function verifyCommand(stores: Stores, options: VerifyOptions, terminal: Terminal): Promise<number> {
  if (options.keep !== undefined) {
    const copies = await copyTwins(stores, options.twins);
    await writeFile(options.keep, JSON.stringify(copies), { mode: 0o600 });
    const count = copies.reduce((sum, { twins }) => sum + twins.length, 0);
    terminal.line(
      `${count} twins are copied to ${options.keep}; replay them with: breakwater verify --from ${options.keep}`,
    );
    return 0;
  }
  const results: PartResult[] = [];
  for (const part of VERIFIED_PARTS) {
    if (options.only !== undefined && options.only !== part) continue;
    const result = await verifyPart(part, stores, options);
    results.push(result);
    if (options.json !== true) printPart(result, terminal);
  }
  const findings = results.flatMap((result) => result.findings);
  const skipped = results.flatMap((result) => result.skipped);
  const isGood = findings.length === 0 && skipped.length === 0;
  if (options.json === true) terminal.json({ good: isGood, parts: results });
  else terminal.line(verdict(findings.length, skipped.length));
  return isGood ? 0 : EXIT.differs;
}

async function verifyPart(part: VerifiedPart, stores: Stores, options: VerifyOptions): Promise<PartResult> {
  const { log, twins, writer, audit, partitionCount } = stores;
  const pause = (): Promise<void> => sleep(PAUSE_MS);
  const logId = await log.logId();
  if (part === 'ledger') {
    const parts = { log, twins, writer, partitionCount, onWriterAway: () => undefined };
    return verifyLedger(() => readLedger(parts), pause);
  }
  if (part === 'rows') return verifyRows({ audit, logId, mustHaveRows: mustHaveRows(log) });
  if (part === 'rollups') return verifyRollups({ audit, pause });
  const before = options.from === undefined ? await copyTwins(stores, options.twins) : await readCopies(options.from);
  if (options.from === undefined) await sleep(options.waitSeconds * 1_000);
  const pairs = [];
  for (const copy of before) {
    const keys = copy.twins.map(({ key }) => key);
    if (keys.length > 0) pairs.push({ before: copy, after: await copyShard(twins, copy.partition, keys) });
  }
  return verifyTwins({ log, logId }, pairs);
}

async function copyTwins({ log, twins, partitionCount }: Stores, twinsMax: number): Promise<readonly CopiedShard[]> {
  const copies: CopiedShard[] = [];
  const perPartition = Math.max(1, Math.ceil(twinsMax / partitionCount));
  for (let at = 0; at < partitionCount; at += 1) {
    const partition = at as Partition;
    const keys = await sampleKeys(log, partition, { twinsMax: perPartition, random: systemRandom });
    copies.push(await copyShard(twins, partition, keys));
  }
  return copies;
}

async function readCopies(path: string): Promise<readonly CopiedShard[]> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as readonly CopiedShard[];
  } catch (cause) {
    throw new CliFailure('COPIES_UNREADABLE', `${path} holds no copies: make some with breakwater verify --keep`, {
      cause,
    });
  }
}

function printPart({ part, compared, findings, skipped }: PartResult, terminal: Terminal): void {
  const mark = findings.length > 0 ? bad('differs') : skipped.length > 0 ? bad('not whole') : good('good');
  terminal.line(`${part}: ${mark} ${dim(`(${compared})`)}`);
  for (const { kind, detail } of findings) terminal.line(bad(`  ${kind}: ${detail}`));
  for (const why of skipped) terminal.line(bad(`  not compared: ${why}`));
}

function verdict(findings: number, skipped: number): string {
  if (findings > 0) return bad(`${findings} differences. docs/operations/verify.md says what to do.`);
  return skipped > 0 ? bad('No difference, but not everything could be compared.') : good('Everything agrees.');
}
