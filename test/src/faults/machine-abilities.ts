import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CGROUP = '/sys/fs/cgroup/memory';
const FAKETIME_PLACES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
];

/** Each answers what this machine lacks for a kind of fault, or null. */
export function canMount(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'breakwater-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'breakwater-fault', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder], { stdio: 'ignore' });
    return null;
  } catch {
    // No such program, or this user may not.
    return 'needs the right to mount a tmpfs';
  } finally {
    rmdirSync(folder);
  }
}

export function canTrace(): string | null {
  const { status } = spawnSync('strace', ['-o', '/dev/null', 'true']);
  return status === 0 ? null : 'needs strace, and the right to use it';
}

export function canMoveClocks(): string | null {
  return fakeTimeLibrary() === undefined ? 'needs libfaketime (Debian: faketime)' : null;
}

export function canLimitMemory(): string | null {
  return existsSync(join(CGROUP, 'memory.limit_in_bytes')) && process.getuid?.() === 0
    ? null
    : 'needs memory cgroups (version 1) and the right to make one';
}

export function fakeTimeLibrary(): string | undefined {
  return FAKETIME_PLACES.find((path) => existsSync(path));
}

export const MEMORY_CGROUPS = CGROUP;
