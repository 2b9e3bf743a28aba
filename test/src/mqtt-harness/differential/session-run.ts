import { ScriptedDevice } from './scripted-device.ts';
import { ScriptedPeer } from './scripted-peer.ts';
import type { SessionScript, Step } from './session-script.ts';

/** What both clients heard in one step. */
export interface StepRecord {
  readonly step: string;
  readonly device: readonly string[];
  readonly peer: readonly string[];
}

/** Longer than the short expiry of sessions and messages, with the rounding of servers to seconds. */
const EXPIRE_MS = 13_500;
/** All that is played in one go takes less, or the run says nothing about what should have expired and what not. */
const PLAY_MS_MAX = 9_000;
const RUNS_MAX = 5;
const MESSAGE_EXPIRY_SECONDS = { long: 3_600, short: 10 } as const;
/** To the device in one session: fewer than either server has in flight at once, so that none waits for others. */
const MESSAGES_MAX = 30;
/** What is open at the end is answered in so many rounds at most. */
const ANSWERS_MAX = 200;

/** Plays a script against the server on a port. The prefix keeps the topics and ids of runs apart. */
export async function runSession(
  script: SessionScript,
  options: { port: number; prefix: string; expires: boolean },
): Promise<readonly StepRecord[]> {
  for (let runs = 1; ; runs += 1) {
    const { records, playedMs } = await playOnce(script, { ...options, prefix: `${options.prefix}${runs}/` });
    if (!options.expires || playedMs < PLAY_MS_MAX) return records;
    if (runs === RUNS_MAX)
      throw new Error(`this machine is too busy: a script of ${EXPIRE_MS} ms waits took ${playedMs} more`);
  }
}

async function playOnce(
  script: SessionScript,
  options: { port: number; prefix: string; expires: boolean },
): Promise<{ records: readonly StepRecord[]; playedMs: number }> {
  const device = new ScriptedDevice({ ...options, script });
  const peer = new ScriptedPeer(options);
  const run = new SessionRun(device, peer);
  try {
    await peer.start();
    await run.playAll(script.steps);
    return { records: run.records, playedMs: run.playedMs };
  } finally {
    device.stop();
    peer.stop();
  }
}

class SessionRun {
  readonly records: StepRecord[] = [];
  #startedMs = performance.now();
  #longestMs = 0;

  readonly #device: ScriptedDevice;
  readonly #peer: ScriptedPeer;
  #sent = 0;

  constructor(device: ScriptedDevice, peer: ScriptedPeer) {
    this.#device = device;
    this.#peer = peer;
  }

  /** The longest time between two waits for expiry. */
  get playedMs(): number {
    return Math.max(this.#longestMs, performance.now() - this.#startedMs);
  }

  async playAll(steps: readonly Step[]): Promise<void> {
    try {
      for (const step of steps) await this.#play(step);
      await this.#finish();
    } catch (error) {
      // A server that does not answer is a difference like any other, and is shown with its script.
      this.#record(`broken off: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #play(step: Step): Promise<void> {
    const needsDevice = !['connect', 'receive', 'expire'].includes(step.kind);
    if (needsDevice && !this.#device.isConnected) return;
    await this.#act(step);
    this.#record(JSON.stringify(step));
  }

  /** The session is resumed once more and all that is open is finished, so that nothing stays unseen. */
  async #finish(): Promise<void> {
    await this.#play({ kind: 'connect', clean: false, keeps: true, will: null, delaysWill: false });
    for (const packetId of this.#device.unreleasedIds) await this.#play({ kind: 'release', packetId });
    await this.#answerAll();
    await this.#play({ kind: 'connect', clean: true, keeps: false, will: null, delaysWill: false });
    await this.#peer.settle();
    this.#record('end');
  }

  async #answerAll(): Promise<void> {
    for (let count = 0; this.#device.isConnected && this.#device.openCount > 0; count += 1) {
      if (count === ANSWERS_MAX) throw new Error('the messages of the server do not end');
      await this.#play({ kind: 'answer', which: 0, how: 'rightly' });
    }
  }

  async #act(step: Step): Promise<void> {
    const device = this.#device;
    switch (step.kind) {
      case 'connect':
        await device.connect(step);
        return this.#peer.settle();
      case 'disconnect':
        await device.disconnect(step.how);
        return this.#peer.settle();
      case 'drop':
        await device.drop();
        return this.#peer.settle();
      case 'faulty':
        await device.sendFaulty(step.fault);
        return this.#peer.settle();
      case 'publish':
        await device.publish(step);
        return this.#peer.settle();
      case 'release':
        await device.release(step.packetId);
        return this.#peer.settle();
      case 'receive':
        return this.#receive(step);
      case 'answer':
        await device.answer(step.which, step.how);
        return device.isConnected ? undefined : this.#peer.settle();
      case 'answerNothing':
        return device.answerNothing(step.packet);
      case 'subscribe':
        return device.subscribe(step.filters);
      case 'unsubscribe':
        return device.unsubscribe(step.topics);
      case 'expire':
        await this.#wait();
        await device.ping();
        return this.#peer.settle();
    }
  }

  async #wait(): Promise<void> {
    this.#longestMs = this.playedMs;
    await new Promise((resolve) => {
      setTimeout(resolve, EXPIRE_MS);
    });
    this.#startedMs = performance.now();
  }

  async #receive({ topic, qos, count, expires, rich }: Extract<Step, { kind: 'receive' }>): Promise<void> {
    if (this.#sent + count > MESSAGES_MAX) return;
    await this.#peer.publish(
      Array.from({ length: count }, () => ({
        topic: `down/${topic.replace('+', 'x')}`,
        payload: `m${this.#sent++}`,
        qos,
        rich,
        expiryS: expires ? MESSAGE_EXPIRY_SECONDS.short : MESSAGE_EXPIRY_SECONDS.long,
      })),
    );
    await this.#device.ping();
  }

  #record(step: string): void {
    this.records.push({ step, device: this.#device.takeHeard(), peer: this.#peer.takeHeard() });
  }
}
