import { type DeviceKey, type Epoch, parseTwin, type Partition } from '@breakwater/twin';
import { type Lane, LANES, SECTION_END } from '@breakwater/twin-runtime';

import type { RedisCommand } from './resp-commands.ts';
import type { StoreHistory, TwinVersions, TwinWritten } from './store-history.ts';

const PARTITION_KEY = /^bw:\{(\d+)\}:(.+)$/;
const LANE_KEY = /^log:(control|telemetry)$/;
const FRAMES_KEY = /^log:(control|telemetry):frames$/;
const PRODUCER_KEY = /^log:(control|telemetry):producer:(.+)$/;
/** By twin: its revision and telemetry, and its document, which is written only when it changes. */
const TWINS = 'twins';
const TWIN_DOCUMENTS = 'twins:documents';
const LEDGER_FIELD = /^ledger:(control|telemetry):/;

type ByLane = Record<Lane, number>;

/** What one transaction wrote of one partition, gathered from its commands. */
interface Writes {
  readonly partition: Partition;
  shard: ReadonlyMap<string, string> | null;
  readonly twins: Map<DeviceKey, TwinWritten & { readonly telemetry: string }>;
  readonly lanes: Map<Lane, { frame?: number; records?: number; first?: number; producerId?: string; seq?: number }>;
}

/**
 * Turns the writes of Redis into what they mean for the log and the store, and tells a history of it. Only field names
 * are known here, not the scripts: a script that writes something else than it should is what is looked for.
 */
export class RedisOperations {
  readonly #history: StoreHistory;
  readonly #positions = new Map<Partition, ByLane>();
  readonly #outcomes = new Map<Partition, Map<string, number>>();

  constructor(history: StoreHistory) {
    this.#history = history;
  }

  read(transaction: readonly RedisCommand[]): void {
    const writes = new Map<Partition, Writes>();
    for (const command of transaction) this.#gather(command, writes);
    for (const each of writes.values()) this.#tell(each);
  }

  #gather(command: RedisCommand, all: Map<Partition, Writes>): void {
    const [name = '', key = ''] = command.slice(0, 2).map((word) => word.toString('utf8'));
    const match = PARTITION_KEY.exec(key);
    if (match === null) return;
    const partition = Number(match[1]) as Partition;
    const about = match[2] as string;
    let writes = all.get(partition);
    if (writes === undefined) {
      writes = { partition, shard: null, twins: new Map(), lanes: new Map() };
      all.set(partition, writes);
    }
    const operation = name.toUpperCase();
    if (operation === 'HSET' || operation === 'HMSET') gatherHash(writes, about, command);
    else if (operation === 'XADD') gatherFrame(writes, about, command);
    else if (operation === 'HDEL' && about === TWINS) {
      for (const field of command.slice(2)) {
        const twin = field.toString('utf8') as DeviceKey;
        writes.twins.set(twin, { key: twin, revision: null, versions: null, telemetry: '' });
      }
    }
  }

  #tell({ partition, shard, twins: written, lanes }: Writes): void {
    const twins = Array.from(written.values(), ({ key, revision, versions }) => ({ key, revision, versions }));
    for (const [lane, { frame, records, first, producerId = '', seq = 0 }] of lanes) {
      if (frame !== undefined && records !== undefined) {
        const firstOffset = frame + 1 - records;
        this.#history.record({ kind: 'appended', partition, lane, firstOffset, records, producerId, seq });
      } else if (first !== undefined) this.#history.record({ kind: 'trimmed', partition, lane, first });
    }
    const epoch = shard?.get('epoch');
    if (epoch !== undefined) this.#history.record({ kind: 'owned', partition, epoch: epoch as Epoch });
    if (shard?.has('control') === true) this.#tellCommit(partition, shard, twins);
    else if (twins.length > 0) this.#tellCommit(partition, shard ?? new Map(), twins);
  }

  /** A twin that is written without its positions is told as a commit that goes nowhere, by nobody. */
  #tellCommit(partition: Partition, shard: ReadonlyMap<string, string>, twins: readonly TwinWritten[]): void {
    const from = this.#positions.get(partition) ?? { control: 0, telemetry: 0 };
    const to = { ...from };
    const outcomes = { control: 0, telemetry: 0 };
    const sums = this.#outcomes.get(partition) ?? new Map<string, number>();
    for (const [field, text] of shard) {
      const lane = LEDGER_FIELD.exec(field)?.[1] as Lane | undefined;
      if (lane === undefined) continue;
      outcomes[lane] += Number(text) - (sums.get(field) ?? 0);
      sums.set(field, Number(text));
    }
    for (const lane of LANES) to[lane] = Number(shard.get(lane) ?? from[lane]);
    this.#positions.set(partition, to);
    this.#outcomes.set(partition, sums);
    const epoch = (shard.get('committedBy') ?? 'nobody') as Epoch;
    this.#history.record({ kind: 'committed', partition, epoch, from, to, outcomes, twins });
  }
}

function gatherHash(writes: Writes, about: string, command: RedisCommand): void {
  if (about === TWINS || about === TWIN_DOCUMENTS) {
    for (const [key, text] of fieldsOf(command)) gatherTwin(writes, { about, key: key as DeviceKey, text });
    return;
  }
  if (about === 'shard') {
    writes.shard = fieldsOf(command);
    return;
  }
  const producer = PRODUCER_KEY.exec(about);
  if (producer !== null) {
    const seq = fieldsOf(command).get('last');
    if (seq === undefined) return;
    Object.assign(laneOf(writes, producer[1] as Lane), { producerId: producer[2], seq: Number(seq) });
    return;
  }
  const lane = LANE_KEY.exec(about)?.[1];
  const first = lane === undefined ? undefined : fieldsOf(command).get('first');
  if (first !== undefined) laneOf(writes, lane as Lane).first = Number(first);
}

function gatherTwin({ twins }: Writes, { about, key, text }: { about: string; key: DeviceKey; text: string }): void {
  if (about === TWINS) {
    const [revision = ''] = text.split(SECTION_END, 1);
    twins.set(key, { key, revision: Number(revision), versions: null, telemetry: text.slice(revision.length) });
    return;
  }
  const known = twins.get(key);
  // A document without its twin is told as a write of no revision, which no history allows.
  const { revision, telemetry } = known ?? { revision: Number.NaN, telemetry: '' };
  twins.set(key, { key, revision, versions: versionsOf(`${text}${telemetry}`), telemetry });
}

function gatherFrame(writes: Writes, about: string, command: RedisCommand): void {
  const lane = FRAMES_KEY.exec(about)?.[1];
  if (lane === undefined) return;
  const [, , id] = command;
  for (let at = 3; at + 1 < command.length; at += 2) {
    if (command[at]?.toString('latin1') !== 'n') continue;
    const frame = Number(String(id).split('-')[0]);
    Object.assign(laneOf(writes, lane as Lane), { frame, records: Number(command[at + 1]?.toString('latin1')) });
  }
}

function laneOf({ lanes }: Writes, lane: Lane): NonNullable<ReturnType<Writes['lanes']['get']>> {
  let known = lanes.get(lane);
  if (known === undefined) {
    known = {};
    lanes.set(lane, known);
  }
  return known;
}

function fieldsOf(command: RedisCommand): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let at = 2; at + 1 < command.length; at += 2) {
    fields.set((command[at] as Buffer).toString('utf8'), (command[at + 1] as Buffer).toString('utf8'));
  }
  return fields;
}

/** Reading it checks a twin's own invariants as well. */
function versionsOf(text: string): TwinVersions {
  const { incarnation, version, reportedVersion, changeNumber } = parseTwin(text);
  return { incarnation, version, reportedVersion, changeNumber };
}
