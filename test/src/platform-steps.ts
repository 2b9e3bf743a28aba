import { checkRows, PlatformClient, type Installation, type LoadGenerator, type RowCheck } from '@breakwater/bench';
import { createClient } from '@clickhouse/client';
import type { MqttClient } from 'mqtt';

/** Wide limits: the machine may be busy, and nothing here is a figure of speed. */
export const TEST_TIMEOUT_MS = 300_000;
export const CONDITION_TIMEOUT_MS = 120_000;
const POLL_MS = 100;
const PATCH_TIMEOUT_MS = 60_000;

/** A twin as the API shows it. */
export interface TwinDocument {
  readonly version: number;
  readonly desired: Readonly<Record<string, unknown>>;
  readonly reported: Readonly<Record<string, unknown>>;
  readonly delta: Readonly<Record<string, unknown>>;
  readonly telemetry: Readonly<Record<string, { readonly ts: number; readonly value: unknown }>>;
  readonly presence: { readonly connected: boolean };
}

export interface Received {
  readonly topic: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Everything that a device is sent, in the order in which it comes. */
export function collect(device: MqttClient): readonly Received[] {
  const received: Received[] = [];
  device.on('message', (topic, payload) => {
    received.push({ topic, payload: JSON.parse(payload.toString()) as Record<string, unknown> });
  });
  return received;
}

export async function twinOf(client: PlatformClient, id: string): Promise<TwinDocument> {
  return (await client.twin(id)) as TwinDocument;
}

export function patchTwin(installation: Installation, id: string, body: object): Promise<Response> {
  return fetch(`${installation.url}/api/v1/devices/${id}/twin`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${installation.key}`, 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(body),
    // A part that hangs must not hang the test: the answer is then unknown, as to any application.
    signal: AbortSignal.timeout(PATCH_TIMEOUT_MS),
  });
}

/** Writes until the twin has said yes: while its shard moves, the API may have no answer in time. */
export async function patchSurely(installation: Installation, id: string, body: object): Promise<void> {
  await until(`a write to ${id} to be answered`, async () => (await patchTwin(installation, id, body)).status === 200);
}

export async function pidOf(installation: Installation, name: string): Promise<number> {
  const part = (await installation.parts()).get(name);
  if (part === undefined) throw new Error(`run.json names no part ${name}`);
  return part.pid;
}

/** SIGKILL: nothing of the process gets a chance to tidy up. */
export async function killPart(installation: Installation, name: string): Promise<void> {
  process.kill(await pidOf(installation, name), 'SIGKILL');
}

/**
 * Waits until the ledger is at rest, then compares what the devices know with what is stored: every acknowledged event
 * is exactly one event in ClickHouse, and the twin holds the newest one.
 */
export async function expectExactlyOnce(
  installation: Installation,
  generator: LoadGenerator,
  eventsExpected: number,
): Promise<void> {
  const client = new PlatformClient(installation);
  await until('every event to be applied and stored', async () => {
    const ledger = await client.ledger();
    return ledger.twinLag === 0 && ledger.writerLag === 0;
  });
  const acknowledged = generator.acknowledged();
  const rows = await storedRows(installation, acknowledged);
  const problems = [...rows.examples];
  if (rows.eventsAcknowledged !== eventsExpected) {
    problems.push(`${eventsExpected} events were sent and ${rows.eventsAcknowledged} acknowledged`);
  }
  for (const [device, seqs] of acknowledged) {
    const newest = Math.max(...seqs);
    const seen = (await twinOf(client, device)).telemetry['seq']?.value;
    if (seen !== newest) problems.push(`the twin of ${device} holds event ${String(seen)}, the newest is ${newest}`);
  }
  if (problems.length > 0 || rows.lost + rows.duplicated + rows.incomplete > 0) {
    throw new Error(`not exactly once: ${JSON.stringify({ ...rows, problems }, null, 2)}`);
  }
}

/** Compares what is stored now with what was acknowledged to each device, by number. */
export async function storedRows(
  installation: Installation,
  acknowledged: ReadonlyMap<string, readonly number[]>,
): Promise<RowCheck> {
  const port = (await installation.parts()).get('embedded-clickhouse')?.ports['clickhouse'];
  const clickhouse = createClient({ url: `http://127.0.0.1:${String(port)}`, database: 'breakwater' });
  try {
    return await checkRows(clickhouse, acknowledged);
  } finally {
    await clickhouse.close();
  }
}

/** Polls until the condition holds; an error of the condition counts as not yet. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + CONDITION_TIMEOUT_MS;
  let lastError: unknown = null;
  for (;;) {
    try {
      if (await condition()) return;
      lastError = null;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > endMs) {
      throw new Error(`waited ${CONDITION_TIMEOUT_MS} ms in vain for ${what}`, { cause: lastError });
    }
    await pause(POLL_MS);
  }
}

export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
