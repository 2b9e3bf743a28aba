import {
  commandDocument,
  type DeviceId,
  type Epoch,
  type Incarnation,
  type Partition,
  type SessionEpoch,
  splitDeviceKey,
  type TenantId,
} from '@breakwater/twin';
import {
  decodeChange,
  decodeCommand,
  decodeDeadLetter,
  decodeDownlink,
  type ChangeFeed,
  type Clock,
  type CommandHints,
  type CommandPayload,
  type CommandSignal,
  type CommandSignals,
  type ControlProducer,
  type Downlink,
  type DownlinkChannel,
  type EffectDispatcher,
  type OutboxEntry,
  type SessionDirectory,
} from '@breakwater/twin-runtime';
import { decodeRecord, encodeRecord, type RecordHeader } from '@breakwater/wire';

/** With base64 and everything around it, well below the smallest frame that can be set. */
const LINE_BYTES_MAX = 128 * 1024;
const DETAIL_LENGTH_MAX = 1_000;
/** Entries remembered as told to their workflows while the history has no room for them. */
const TOLD_MAX = 50_000;

export interface OutboxEffectsPorts {
  readonly directory: SessionDirectory;
  readonly downlinks: DownlinkChannel;
  readonly changes: ChangeFeed;
  readonly commandSignals: Pick<CommandSignals, 'push'>;
  readonly commandHints: Pick<CommandHints, 'publish'>;
  /** Append to the telemetry lane; what it still takes when it is full differs. */
  readonly history: Pick<ControlProducer, 'append'>;
  readonly deadLetters: Pick<ControlProducer, 'append'>;
  readonly clock: Clock;
}

/**
 * Carries out what twins decided, after the commit and at least once. What it answers as confirmed leaves the outbox.
 * A downlink is confirmed here only when no session is left that could take it; else the gateway confirms it.
 */
export class OutboxEffects implements EffectDispatcher {
  readonly #ports: OutboxEffectsPorts;
  readonly #told = new Set<string>();

  constructor(ports: OutboxEffectsPorts) {
    this.#ports = ports;
  }

  async dispatch(partition: Partition, epoch: Epoch, entries: readonly OutboxEntry[]): Promise<readonly string[]> {
    const ofKind = (kind: OutboxEntry['kind']) => entries.filter((entry) => entry.kind === kind);
    const confirmed = await Promise.all([
      this.#publishChanges(partition, ofKind('change')),
      this.#sendDownlinks(partition, epoch, ofKind('downlink')),
      this.#appendDeadLetters(partition, ofKind('deadLetter')),
      this.#tellOfCommands(partition, ofKind('command')),
    ]);
    return confirmed.flat();
  }

  async #publishChanges(partition: Partition, entries: readonly OutboxEntry[]): Promise<readonly string[]> {
    if (entries.length === 0) return [];
    await this.#ports.changes.publish(partition, entries.map(decodeChange));
    return entries.map((entry) => entry.id);
  }

  async #sendDownlinks(
    partition: Partition,
    epoch: Epoch,
    entries: readonly OutboxEntry[],
  ): Promise<readonly string[]> {
    if (entries.length === 0) return [];
    const keys = entries.map((entry) => entry.key);
    const sessions = await this.#ports.directory.find(partition, keys);
    const confirmed: string[] = [];
    const byGateway = new Map<string, Downlink[]>();
    for (const [index, entry] of entries.entries()) {
      const downlink = decodeDownlink(partition, epoch, entry);
      const session = sessions[index];
      // A later session is told the whole delta when it subscribes, so what was meant for an older one is done.
      if (session == null || session.sessionEpoch !== downlink.sessionEpoch) {
        confirmed.push(entry.id);
        continue;
      }
      const bound = byGateway.get(session.gatewayId) ?? [];
      byGateway.set(session.gatewayId, bound);
      bound.push(downlink);
    }
    // What a channel does not take stays in the outbox and is dispatched again.
    await Promise.all(
      [...byGateway].map(([gatewayId, bound]) =>
        this.#ports.downlinks.send(
          gatewayId,
          bound.map((downlink) => ({ kind: 'downlink', downlink })),
        ),
      ),
    );
    return confirmed;
  }

  /**
   * Workflow, live views and history hear of it, in this order; each may hear of it again. A telemetry lane that has no
   * room holds up the history alone: the entries stay for it, and whoever waits for the command knows already.
   */
  async #tellOfCommands(partition: Partition, entries: readonly OutboxEntry[]): Promise<readonly string[]> {
    if (entries.length === 0) return [];
    if (!(await this.#tellWorkflows(partition, entries))) return [];
    const { history } = this.#ports;
    const lines = entries.map((entry) => commandLine(entry, decodeCommand(entry)));
    const confirmed = await this.#append(history, partition, entries, lines);
    for (const entry of confirmed) this.#told.delete(toldName(partition, entry));
    return confirmed.map(({ id }) => id);
  }

  /** All at once, so that they share a frame. Answers those that the lane took. */
  async #append(
    producer: Pick<ControlProducer, 'append'>,
    partition: Partition,
    entries: readonly OutboxEntry[],
    lines: readonly string[],
  ): Promise<readonly OutboxEntry[]> {
    const results = await Promise.all(lines.map((line) => producer.append('telemetry', partition, line)));
    return entries.filter((_, index) => results[index]?.kind === 'appended');
  }

  /** False when their queue has no room. */
  async #tellWorkflows(partition: Partition, entries: readonly OutboxEntry[]): Promise<boolean> {
    const news = entries.filter((entry) => !this.#told.has(toldName(partition, entry)));
    const signals = news.map((entry): CommandSignal => {
      const { id, key } = entry;
      const { command } = decodeCommand(entry);
      return { id, key, commandId: command.commandId, document: JSON.stringify(commandDocument(command)) };
    });
    if (signals.length === 0) return true;
    if (!(await this.#ports.commandSignals.push(partition, signals))) return false;
    // Told once more is harmless: forgetting them all is only work.
    if (this.#told.size + news.length > TOLD_MAX) this.#told.clear();
    for (const entry of news) this.#told.add(toldName(partition, entry));
    await this.#ports.commandHints.publish(signals.map(({ key, commandId }) => ({ key, commandId })));
    return true;
  }

  async #appendDeadLetters(partition: Partition, entries: readonly OutboxEntry[]): Promise<readonly string[]> {
    const { deadLetters, clock } = this.#ports;
    const lines = entries.map((entry) => deadLetterLine(entry, clock.nowMs()));
    return (await this.#append(deadLetters, partition, entries, lines)).map(({ id }) => id);
  }
}

/**
 * The record that failed, as a dead letter of the same device: it keeps the line with its place in the log. A line is
 * longer as a dead letter than it was: one that filled its frame is cut, or it would never find a frame again.
 */
function deadLetterLine(entry: OutboxEntry, nowMs: number): string {
  const { code, detail, lane, offset, line } = decodeDeadLetter(entry);
  const bytes = Buffer.from(line);
  // By way of UTF-8, so that a cut through a pair of surrogates leaves no half of it.
  const reason = Buffer.from(detail.slice(0, DETAIL_LENGTH_MAX)).toString();
  const cut = `the first ${LINE_BYTES_MAX} of ${bytes.length} bytes are kept`;
  const isCut = bytes.length > LINE_BYTES_MAX;
  return encodeRecord({
    ...headerOf(line, nowMs),
    messageId: '',
    message: {
      kind: 'deadLetter',
      code,
      detail: isCut ? [reason, cut].filter((text) => text !== '').join('; ') : reason,
      topic: `${lane}/${offset}`,
      payloadBase64: bytes.subarray(0, LINE_BYTES_MAX).toString('base64'),
      sender: 'twin-worker',
    },
  });
}

/** Ids of entries are those of their partition. */
function toldName(partition: Partition, { id }: OutboxEntry): string {
  return `${partition} ${id}`;
}

function commandLine({ id, key }: OutboxEntry, { incarnation, tsMs, command }: CommandPayload): string {
  return encodeRecord({
    ...splitDeviceKey(key),
    incarnation,
    sessionEpoch: 0 as SessionEpoch,
    packetId: 0,
    digest: 0,
    // The same entry told twice has the same id: the history counts it once.
    messageId: id,
    receivedAtMs: tsMs,
    traceparent: '',
    message: { kind: 'commandRecorded', tsMs, command },
  });
}

/** A line that cannot even be read belongs to nobody; its dead letter is kept under a name that no device has. */
function headerOf(line: string, nowMs: number): RecordHeader {
  try {
    return decodeRecord(line);
  } catch {
    return {
      tenant: 'default' as TenantId,
      device: 'unreadable-record' as DeviceId,
      incarnation: 0 as Incarnation,
      sessionEpoch: 0 as SessionEpoch,
      packetId: 0,
      digest: 0,
      messageId: '',
      receivedAtMs: nowMs,
      traceparent: '',
    };
  }
}
