import { setTimeout as sleep } from 'node:timers/promises';

import { CliFailure, EXIT } from '../cli-failure.ts';
import { askApi } from '../installation/api-client.ts';
import type { Installation } from '../installation/find-installation.ts';
import { bad, dim, good, tableOf, type Terminal } from '../terminal.ts';

export interface LedgerOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly partitions?: boolean;
}

interface ConsumerLine {
  readonly position: number;
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

interface Place {
  readonly appended: number;
  readonly consumers: Readonly<Record<string, ConsumerLine>>;
}

/** The little of the API's answer that is shown. */
interface LedgerAnswer {
  readonly logId: string;
  readonly lanes?: Readonly<Record<string, Place>>;
  readonly partitions?: readonly (Place & { readonly lane: string; readonly partition: number })[];
  readonly tenants: readonly {
    readonly tenant: string;
    readonly lane: string;
    readonly consumer: string;
    readonly records: number;
    readonly outcomes: Readonly<Record<string, number>>;
  }[];
  readonly refused?: readonly {
    readonly tenant: string;
    readonly reason: string;
    readonly count: number;
  }[];
  readonly balanced: boolean;
  readonly imbalances: readonly { readonly detail: string; readonly since: number | null; readonly kind: string }[];
  readonly checkedAt: number | null;
  readonly degraded: readonly string[];
}

const WATCH_EVERY_MS = 1_000;
const CLEAR_SCREEN = '\u001b[H\u001b[2J';

/** Answers the exit code. `signal` ends a watch. */
export async function ledgerCommand(
  installation: Installation,
  options: LedgerOptions,
  { terminal, signal }: { readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<number> {
  for (;;) {
    const answer = await readAnswer(installation);
    if (options.json === true) terminal.json(answer);
    else terminal.line((options.watch === true ? CLEAR_SCREEN : '') + ledgerText(answer, options.partitions === true));
    if (options.watch !== true || signal.aborted) return answer.balanced ? 0 : EXIT.differs;
    await sleep(WATCH_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return answer.balanced ? 0 : EXIT.differs;
  }
}

async function readAnswer(installation: Installation): Promise<LedgerAnswer> {
  const answer = (await askApi(installation, '/api/v1/ledger')) as LedgerAnswer | null;
  if (answer === null || !Array.isArray(answer.tenants)) {
    throw new CliFailure(
      'API_ANSWER_UNKNOWN',
      `what answers at ${installation.apiUrl} is no Breakwater of this version`,
    );
  }
  return answer;
}

function ledgerText(answer: LedgerAnswer, withPartitions: boolean): string {
  const parts: string[] = [];
  const places = [
    ...Object.entries(answer.lanes ?? {}).map(([lane, place]) => ({ lane, partition: 'all', ...place })),
    ...(withPartitions ? (answer.partitions ?? []) : []),
  ];
  if (places.length > 0) {
    const rows = places.flatMap(({ lane, partition, appended, consumers }) =>
      Object.entries(consumers).map(([consumer, { position, inFlight, outcomes }]) => [
        ...[lane, String(partition), consumer, appended, position, inFlight],
        outcomesText(outcomes),
      ]),
    );
    parts.push(tableOf(['lane', 'partition', 'consumer', 'appended', 'taken', 'in flight', 'outcomes'], rows));
  }
  if (answer.tenants.length > 0) {
    const rows = answer.tenants.map(({ tenant, lane, consumer, records, outcomes }) => [
      ...[tenant, lane, consumer, records],
      outcomesText(outcomes),
    ]);
    parts.push(tableOf(['tenant', 'lane', 'consumer', 'records', 'outcomes'], rows));
  }
  if (answer.refused !== undefined && answer.refused.length > 0) {
    const rows = answer.refused.map(({ tenant, reason, count }) => [tenant, reason, count]);
    parts.push(`Before the log, and so in no line above:\n${tableOf(['tenant', 'reason', 'count'], rows)}`);
  }
  parts.push(verdict(answer));
  return parts.join('\n');
}

function verdict({ balanced, imbalances, checkedAt, degraded, logId }: LedgerAnswer): string {
  const lines = imbalances.map(({ kind, detail, since }) =>
    since === null ? dim(`  ${kind}: ${detail} (seen once)`) : bad(`  ${kind}: ${detail} (since ${timeOf(since)})`),
  );
  const checked = checkedAt === null ? 'not checked yet' : `checked ${timeOf(checkedAt)}`;
  const state = balanced ? good('It balances') : bad('IT DOES NOT BALANCE');
  const away = degraded.length === 0 ? '' : `; not asked: ${degraded.join(', ')}`;
  return [...lines, `${state} ${dim(`(${checked}${away}; log ${logId})`)}`].join('\n');
}

function outcomesText(outcomes: Readonly<Record<string, number>>): string {
  return Object.entries(outcomes)
    .map(([outcome, count]) => `${outcome} ${count.toLocaleString('en')}`)
    .join(', ');
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
