import {
  applyMessage,
  type DeviceKey,
  type LogId,
  newTwin,
  type Offset,
  parseTwin,
  type Partition,
  serializeTwin,
  splitDeviceKey,
  type TwinEffect,
  type TwinMessage,
  twinDocument,
  type TwinState,
} from '@breakwater/twin';
import {
  LANES,
  type ChangeFeed,
  type CommandHints,
  type EventLog,
  type Lane,
  type LanePositions,
  type OperationAnswers,
  type Ownership,
  type TelemetryHints,
  type TwinStore,
} from '@breakwater/twin-runtime';
import { decodeRecord, keyOfRecord } from '@breakwater/wire';

export interface MemoryWorkerPorts {
  readonly log: EventLog;
  readonly twins: TwinStore;
  readonly changes: ChangeFeed;
  readonly answers: OperationAnswers;
  readonly commandHints: CommandHints;
  readonly telemetryHints: TelemetryHints;
}

/** The least that applies records to twins: one record per commit, no fences, no outbox. Enough to answer the API. */
export class MemoryWorker {
  readonly #ports: MemoryWorkerPorts;
  readonly #partitionCount: number;
  readonly #owned = new Map<Partition, Ownership>();
  readonly #positions = new Map<Partition, Record<Lane, number>>();
  #timer: NodeJS.Timeout | null = null;
  #busy: Promise<void> = Promise.resolve();
  /** Some tests want a twin that answers and a hint that never comes. */
  publishesAnswers = true;

  constructor(ports: MemoryWorkerPorts, partitionCount: number) {
    this.#ports = ports;
    this.#partitionCount = partitionCount;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#busy = this.#busy.then(() => this.applyAll());
    }, 5);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#busy;
  }

  /** Everything that is in the log by now is applied and told, unless the worker is stopped. */
  async settled(): Promise<void> {
    if (this.#timer === null) return;
    this.#busy = this.#busy.then(() => this.applyAll());
    await this.#busy;
  }

  async applyAll(): Promise<void> {
    for (let at = 0; at < this.#partitionCount; at += 1) await this.#applyPartition(at as Partition);
  }

  async #applyPartition(partition: Partition): Promise<void> {
    if (!this.#owned.has(partition)) {
      const ownership = await this.#ports.twins.takeOwnership(partition, 'worker');
      this.#owned.set(partition, ownership);
      this.#positions.set(partition, { ...ownership.positions });
    }
    const positions = this.#positions.get(partition) as Record<Lane, number>;
    for (const lane of LANES) {
      const from = positions[lane] as Offset;
      const batches = await this.#ports.log.read([{ lane, partition, from }], {
        framesMaxPerPartition: 100,
        waitMs: 0,
      });
      for (const frame of batches[0]?.frames ?? []) {
        const lines = frame.body.toString('utf8').split('\n');
        for (const [at, line] of lines.entries()) {
          const offset = frame.firstOffset + at;
          if (offset >= positions[lane])
            await this.#apply({ lane, partition, offset, nowMs: frame.appendedAtMs }, line);
        }
      }
    }
  }

  async #apply(at: { lane: Lane; partition: Partition; offset: number; nowMs: number }, line: string): Promise<void> {
    const { twins } = this.#ports;
    const record = decodeRecord(line);
    const key = keyOfRecord(record);
    const stored = await twins.read(at.partition, key);
    const before = stored.state === null ? newTwin(splitDeviceKey(key), record.incarnation) : parseTwin(stored.state);
    const applied = applyMessage(before, record.message as TwinMessage, {
      nowMs: at.nowMs,
      lane: at.lane,
      offset: at.offset as Offset,
      incarnation: record.incarnation,
      sessionEpoch: record.sessionEpoch,
    });
    const positions = this.#positions.get(at.partition) as Record<Lane, number>;
    const next = { ...positions, [at.lane]: at.offset + 1 };
    const write = { key, expectedRevision: stored.revision, state: serializeTwin(applied.state) };
    const [result] = await twins.commit([
      {
        partition: at.partition,
        epoch: (this.#owned.get(at.partition) as Ownership).epoch,
        logId: (await this.#ports.log.logId()) as LogId,
        expected: positions as unknown as LanePositions,
        next: next as unknown as LanePositions,
        twins: applied.state === before ? [] : [write],
        outbox: [],
        timers: [],
        counts: { control: {}, telemetry: {}, [at.lane]: { [applied.outcome]: 1 } },
        tenants: { control: {}, telemetry: {}, [at.lane]: { [splitDeviceKey(key).tenant]: { [applied.outcome]: 1 } } },
      },
    ]);
    if (result?.kind !== 'committed') throw new Error(`the test's worker could not commit: ${JSON.stringify(result)}`);
    this.#positions.set(at.partition, next);
    if (record.message.kind === 'telemetry') await this.#ports.telemetryHints.publish(at.partition, [key]);
    for (const effect of applied.effects)
      await this.#dispatch({ partition: at.partition, key, nowMs: at.nowMs }, applied.state, effect);
  }

  async #dispatch(
    at: { partition: Partition; key: DeviceKey; nowMs: number },
    state: TwinState,
    effect: TwinEffect,
  ): Promise<void> {
    if (effect.kind === 'operationAnswered' && this.publishesAnswers) {
      await this.#ports.answers.publish([{ operationId: effect.operationId, outcome: effect.outcome }]);
    }
    if (effect.kind === 'commandChanged') {
      await this.#ports.commandHints.publish([{ key: at.key, commandId: effect.command.commandId }]);
    }
    if (effect.kind !== 'changed') return;
    await this.#ports.changes.publish(at.partition, [
      {
        key: at.key,
        incarnation: state.incarnation,
        changeNumber: state.changeNumber,
        sections: effect.sections,
        tsMs: at.nowMs,
        ...{ version: state.version, reportedVersion: state.reportedVersion },
        ...{ logId: 'memory' as LogId, lane: 'control', offset: 0 as Offset },
        document: JSON.stringify(twinDocument(state)),
      },
    ]);
  }
}
