import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { DeviceKey, Partition, SessionEpoch } from '@breakwater/twin';

import type { SessionArchive } from '../ports/session-archive.ts';
import type { SessionDirectory } from '../ports/session-directory.ts';
import { type ContractHarness, type HarnessMaker, passOf } from './contract-harness.ts';

export interface SessionArchiveContractOptions {
  /** Bytes that one session may have. */
  readonly archivedBytesMax: number;
}

/** Epochs are given by the directory, so both are one port under test. */
export type DirectoryWithArchive = SessionDirectory & SessionArchive;

const OPTIONS: SessionArchiveContractOptions = { archivedBytesMax: 1_024 };
const P0 = 0 as Partition;
const KEY = 'default/d1' as DeviceKey;
const OTHER = 'default/d2' as DeviceKey;
const LONG_MS = 60_000;
const SHORT_MS = 300;

/** What every session archive must do. */
export function sessionArchiveContract(
  name: string,
  maker: HarnessMaker<DirectoryWithArchive, SessionArchiveContractOptions>,
): void {
  describe(`session archive contract: ${name}`, () => {
    let harness: ContractHarness<DirectoryWithArchive>;
    beforeEach(async () => {
      harness = await maker.make(OPTIONS);
    });
    afterEach(() => harness.cleanup());
    const current = (): DirectoryWithArchive => harness.port;
    kept(current);
    fenced(current);
    forgotten(current, (durationMs) => passOf(harness)(durationMs));
  });
}

async function openedEpoch(port: DirectoryWithArchive, key = KEY): Promise<SessionEpoch> {
  return (await port.open(P0, key, 'g1')).sessionEpoch;
}

function save(port: DirectoryWithArchive, sessionEpoch: SessionEpoch, text: string): Promise<'saved' | 'fenced'> {
  return port.save(P0, KEY, { sessionEpoch, bytes: Buffer.from(text), ttlMs: LONG_MS });
}

async function archivedText(port: DirectoryWithArchive): Promise<string | null> {
  const { archived } = await port.open(P0, KEY, 'reader');
  return archived === null ? null : `${archived.sessionEpoch} ${Buffer.from(archived.bytes).toString()}`;
}

function kept(current: () => DirectoryWithArchive): void {
  it('answers a takeover with what was saved last, byte by byte, and by whom', async () => {
    const port = current();
    expect((await port.open(P0, KEY, 'g1')).archived).toBeNull();
    const epoch = await openedEpoch(port);
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(await save(port, epoch, 'first')).toBe('saved');
    expect(await port.save(P0, KEY, { sessionEpoch: epoch, bytes, ttlMs: LONG_MS })).toBe('saved');
    const { archived, sessionEpoch } = await port.open(P0, KEY, 'g2');
    expect(archived?.sessionEpoch).toBe(epoch);
    expect([...(archived?.bytes ?? [])]).toEqual([...bytes]);
    expect(sessionEpoch).toBeGreaterThan(epoch);
    // Reading it is not writing it: it still is the former session's.
    expect((await port.open(P0, KEY, 'g3')).archived?.sessionEpoch).toBe(epoch);
    expect((await port.open(P0, OTHER, 'g1')).archived).toBeNull();
  });

  it('keeps it when its connection leaves the directory, which still may save and remove', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    await port.close(P0, KEY, epoch);
    expect(await save(port, epoch, 'detached')).toBe('saved');
    expect(await port.extend(P0, KEY, { sessionEpoch: epoch, ttlMs: LONG_MS })).toBe(true);
    expect(await archivedText(port)).toBe(`${epoch} detached`);
  });

  it('takes the same again, as after a lost reply', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    expect(await save(port, epoch, 'x')).toBe('saved');
    expect(await save(port, epoch, 'x')).toBe('saved');
    await port.remove(P0, KEY, epoch);
    await port.remove(P0, KEY, epoch);
    expect(await save(port, epoch, 'y')).toBe('saved');
    expect(await archivedText(port)).toBe(`${epoch} y`);
  });

  it('refuses what is too large and keeps what was there', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    await save(port, epoch, 'small');
    await expect(save(port, epoch, 'x'.repeat(OPTIONS.archivedBytesMax + 1))).rejects.toMatchObject({
      code: 'SESSION_TOO_LARGE',
    });
    expect(await archivedText(port)).toBe(`${epoch} small`);
  });

  it('holds an empty session and the largest one', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    for (const text of ['', 'x'.repeat(OPTIONS.archivedBytesMax)]) {
      const next = await openedEpoch(port);
      expect(next).toBeGreaterThan(epoch);
      expect(await save(port, next, text)).toBe('saved');
      expect(await archivedText(port)).toBe(`${next} ${text}`);
    }
  });
}

function fenced(current: () => DirectoryWithArchive): void {
  it('refuses every write of an epoch that was taken over', async () => {
    const port = current();
    const former = await openedEpoch(port);
    await save(port, former, 'former');
    const newer = await openedEpoch(port);
    expect(await save(port, former, 'late')).toBe('fenced');
    expect(await port.extend(P0, KEY, { sessionEpoch: former, ttlMs: LONG_MS })).toBe(false);
    await port.remove(P0, KEY, former);
    // Also before the newer one wrote anything.
    expect(await save(port, newer, 'newer')).toBe('saved');
    await port.remove(P0, KEY, former);
    expect(await save(port, former, 'later')).toBe('fenced');
    expect(await archivedText(port)).toBe(`${newer} newer`);
  });

  it('refuses an epoch that was never given', async () => {
    const port = current();
    expect(await save(port, 1 as SessionEpoch, 'x')).toBe('fenced');
    const epoch = await openedEpoch(port);
    expect(await save(port, (epoch + 1) as SessionEpoch, 'x')).toBe('fenced');
    expect(await archivedText(port)).toBeNull();
  });

  it('gives higher epochs also after a session was removed', async () => {
    const port = current();
    const former = await openedEpoch(port);
    await save(port, former, 'x');
    await port.remove(P0, KEY, former);
    await port.close(P0, KEY, former);
    const next = await port.open(P0, KEY, 'g1');
    expect(next.archived).toBeNull();
    expect(next.sessionEpoch).toBeGreaterThan(former);
    expect(await save(port, former, 'late')).toBe('fenced');
  });

  it('lets one of many that claim at once write', async () => {
    const port = current();
    const epochs = await Promise.all(Array.from({ length: 16 }, () => openedEpoch(port)));
    const answers = await Promise.all(epochs.map((epoch) => save(port, epoch, `${epoch}`)));
    expect(answers.filter((answer) => answer === 'saved')).toHaveLength(1);
    const newest = Math.max(...epochs);
    expect(await archivedText(port)).toBe(`${newest} ${newest}`);
  });
}

function forgotten(current: () => DirectoryWithArchive, pass: (durationMs: number) => Promise<void>): void {
  it('forgets a session when its time is over, and not its epochs', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    await port.save(P0, KEY, { sessionEpoch: epoch, bytes: Buffer.from('x'), ttlMs: SHORT_MS });
    await pass(SHORT_MS + 100);
    expect(await port.extend(P0, KEY, { sessionEpoch: epoch, ttlMs: LONG_MS })).toBe(false);
    const next = await port.open(P0, KEY, 'g1');
    expect(next.archived).toBeNull();
    expect(next.sessionEpoch).toBeGreaterThan(epoch);
  });

  it('counts the time anew with every save and extension', async () => {
    const port = current();
    const epoch = await openedEpoch(port);
    const session = { sessionEpoch: epoch, bytes: Buffer.from('x'), ttlMs: SHORT_MS };
    await port.save(P0, KEY, session);
    await port.extend(P0, KEY, { sessionEpoch: epoch, ttlMs: LONG_MS });
    await pass(SHORT_MS + 100);
    expect(await archivedText(port)).toBe(`${epoch} x`);
    const next = await openedEpoch(port);
    await port.save(P0, KEY, { ...session, sessionEpoch: next });
    await port.save(P0, KEY, { ...session, sessionEpoch: next, ttlMs: LONG_MS });
    await pass(SHORT_MS + 100);
    expect(await archivedText(port)).toBe(`${next} x`);
  });
}
