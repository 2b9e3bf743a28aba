import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

interface Found {
  readonly path: string;
  readonly server: string;
}
interface Way {
  readonly name: string;
  obtain(env: Record<string, string>, work: string): Promise<string | undefined>;
}
interface TemporalModules {
  findTemporal(env: Record<string, string>, homebrewFolders?: readonly string[]): Found | undefined;
  temporalCacheFolder(env: Record<string, string>): string;
  obtainTemporal(
    env: Record<string, string>,
    options?: { ways?: readonly Way[]; onWay?: (name: string) => void },
  ): Promise<Found>;
  readonly TEMPORAL_WAYS: readonly Way[];
}

const load = async (name: string): Promise<TemporalModules> =>
  (await import(`../setup/${name}.mjs`)) as unknown as TemporalModules;
const { findTemporal, temporalCacheFolder } = await load('find-temporal');
const { obtainTemporal, TEMPORAL_WAYS } = await load('obtain-temporal');

let folder: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bw-temporal-'));
  env = { PATH: [join(folder, 'one'), join(folder, 'two')].join(delimiter), XDG_CACHE_HOME: join(folder, 'cache') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(path: string, prints: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho '${prints}'\n`);
  chmodSync(path, 0o755);
  return path;
}

const temporal = (path: string, server = '1.29.1'): string =>
  program(path, `temporal version 1.5.1 (Server ${server}, UI 2.42.1)`);

describe('the program of Temporal', () => {
  it('is looked for in the setting, on PATH, in the cache, and at Homebrew, in this order', () => {
    const brew = join(folder, 'brew');
    expect(findTemporal(env, [brew])).toBeUndefined();
    const places = [
      join(brew, 'temporal'),
      join(temporalCacheFolder(env), 'temporal'),
      join(folder, 'two', 'temporal'),
      join(folder, 'one', 'temporal'),
    ];
    for (const path of places) {
      temporal(path);
      expect(findTemporal(env, [brew])).toEqual({ path, server: '1.29.1' });
    }
    const named = temporal(join(folder, 'elsewhere', 'temporal'));
    expect(findTemporal({ ...env, TEMPORAL_CLI_PATH: named }, [brew])?.path).toBe(named);
  });

  it('is passed over when it is too old, or something else of this name', () => {
    temporal(join(folder, 'one', 'temporal'), '1.28.9');
    program(join(folder, 'two', 'temporal'), 'the ferry leaves at nine');
    expect(findTemporal(env, [])).toBeUndefined();
    const cached = temporal(join(temporalCacheFolder(env), 'temporal'), '2.0.0');
    expect(findTemporal(env, [])?.path).toBe(cached);
  });

  it('is refused when the setting names one that cannot be used, though there are others', () => {
    temporal(join(folder, 'one', 'temporal'));
    const old = temporal(join(folder, 'old'), '1.20.0');
    expect(() => findTemporal({ ...env, TEMPORAL_CLI_PATH: old })).toThrow(/server 1\.20\.0, 1\.29 or newer is needed/);
    const other = program(join(folder, 'other'), 'hello');
    expect(() => findTemporal({ ...env, TEMPORAL_CLI_PATH: other })).toThrow(/is not the Temporal CLI/);
    const nothing = join(folder, 'nothing');
    expect(() => findTemporal({ ...env, TEMPORAL_CLI_PATH: nothing })).toThrow(/there is no program/);
  });

  it('is kept outside of the clone', () => {
    expect(temporalCacheFolder({ XDG_CACHE_HOME: '/x/cache' })).toBe('/x/cache/breakwater/temporal-1.5.1');
    expect(temporalCacheFolder({ HOME: '/x/user' })).toBe('/x/user/.cache/breakwater/temporal-1.5.1');
  });
});

describe('obtaining it', () => {
  const fails = (name: string): Way => ({ name, obtain: () => Promise.reject(new Error(`no ${name} today`)) });
  const brings = (name: string, server?: string): Way => ({
    name,
    obtain: (_env, work) => Promise.resolve(temporal(join(work, 'temporal'), server)),
  });

  it('tries Homebrew, the download of the SDK, and Go', () => {
    expect(TEMPORAL_WAYS.map(({ name }) => name)).toEqual(['Homebrew', 'download', 'go install']);
  });

  it('takes the first way that brings it, into the cache, and leaves nothing else there', async () => {
    const tried: string[] = [];
    const ways = [fails('ship'), brings('raft', '1.0.0'), brings('canoe'), fails('swim')];
    const found = await obtainTemporal(env, { ways, onWay: (name) => tried.push(name) });
    expect(found.path).toBe(join(temporalCacheFolder(env), 'temporal'));
    expect(tried).toEqual(['ship', 'raft', 'canoe']);
    expect(readdirSync(temporalCacheFolder(env))).toEqual(['temporal']);
  });

  it('says what each way said, and what else one can do', async () => {
    const ways = [fails('ship'), brings('raft', '1.0.0')];
    await expect(obtainTemporal(env, { ways })).rejects.toThrow(
      /ship: no ship today[^]*raft: brought a program that is not Temporal, or too old[^]*TEMPORAL_CLI_PATH/,
    );
  });

  it('does not do it again when it is there, and clears up what a killed run left', async () => {
    const cached = temporal(join(temporalCacheFolder(env), 'temporal'));
    // No process has this id.
    mkdirSync(join(temporalCacheFolder(env), 'obtaining-99999999'));
    expect((await obtainTemporal(env, { ways: [fails('ship')] })).path).toBe(cached);
    expect(readdirSync(temporalCacheFolder(env))).toEqual(['temporal']);
  });

  it('builds the version with Go that this platform names, into the cache', async () => {
    const go = join(folder, 'one', 'go');
    mkdirSync(dirname(go), { recursive: true });
    const script = `echo "$*" > ${folder}/call; printf '#!/bin/sh\\necho "(Server 1.29.1, "\\n' > $GOBIN/temporal`;
    writeFileSync(go, `#!/bin/sh\n${script}; /bin/chmod +x $GOBIN/temporal\n`);
    chmodSync(go, 0o755);
    const byGo = TEMPORAL_WAYS.filter(({ name }) => name === 'go install');
    expect((await obtainTemporal(env, { ways: byGo })).path).toBe(join(temporalCacheFolder(env), 'temporal'));
    expect(readFileSync(join(folder, 'call'), 'utf8')).toContain('github.com/temporalio/cli/cmd/temporal@v1.5.1');
  });
});
