import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { settingNames } from '../src/configuration-page.ts';

/** The reference implementation of the Compose specification; `docker compose` itself is built on it. */
const COMPOSE_CHECKER = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2';
const CHECK_MS_MAX = 300_000;
/** The first one is of another language, and knows less. */
const COMPOSE_VERSION_MIN = 2;
const PROFILES = [[], ['kafka'], ['commands'], ['observability'], ['kafka', 'commands', 'observability']];

const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
const composeFile = join(rootFolder, 'docker-compose.yml');
const hasGo = spawnSync('go', ['version']).status === 0;
/** The program itself, as a plugin of docker or alone. It reads a file without a container engine. */
const compose = [['docker', 'compose'], ['docker-compose']].find(([program = '', ...args]) => {
  const { status, stdout } = spawnSync(program, [...args, 'version', '--short'], { encoding: 'utf8' });
  return status === 0 && Number.parseInt(stdout.replace(/^v/, ''), 10) >= COMPOSE_VERSION_MIN;
});

/** What runs to its end and is waited for. */
const ONCE = ['topics'];
const PROGRAMS_ELSEWHERE: Readonly<Record<string, string>> = {
  topics: 'apps/cli/bin/breakwater.mjs',
  'temporal-worker': 'temporal/worker/dist/main.js',
};

interface Service {
  readonly profiles?: readonly string[];
  readonly volumes?: readonly { readonly type: string; readonly source: string }[];
  readonly image?: string;
  readonly build?: object;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required: boolean }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

function check(command: string, args: readonly string[]): Record<string, Service> {
  const result = spawnSync(command, args, { cwd: tmpdir(), encoding: 'utf8', timeout: CHECK_MS_MAX });
  expect({ status: result.status, stderr: result.status === 0 ? '' : result.stderr }).toEqual({
    status: 0,
    stderr: '',
  });
  return (JSON.parse(result.stdout) as { services: Record<string, Service> }).services;
}

(hasGo ? describe : describe.skip)('docker-compose.yml, by compose-go (needs Go)', () => {
  let services: Record<string, Service>;

  beforeAll(() => {
    services = check('go', ['run', COMPOSE_CHECKER, '-format', 'json', composeFile]);
  }, CHECK_MS_MAX);

  const namesOf = (profiles: readonly string[]): string[] =>
    Object.entries(services)
      .filter(([, service]) => (service.profiles ?? []).join() === profiles.join())
      .map(([name]) => name)
      .sort();

  it('has the stores and every app of a cluster', () => {
    expect(namesOf([])).toEqual(['api', 'clickhouse', 'gateway', 'redis', 'telemetry-writer', 'twin-worker']);
    expect(namesOf(['kafka'])).toEqual(['kafka', 'topics']);
    expect(namesOf(['commands'])).toEqual(['temporal', 'temporal-worker']);
    expect(namesOf(['observability'])).toEqual(['grafana', 'prometheus']);
  });

  it('mounts files of this repository that there are', () => {
    const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes.filter(({ type }) => type === 'bind'));
    // The checker takes the folder that it runs in for that of the file.
    const paths = mounts.map(({ source }) => relative(realpathSync(tmpdir()), source));
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(rootFolder, path)))).toEqual([]);
  });

  it('starts programs that exist', () => {
    for (const [name, service] of Object.entries(services)) {
      if (service.build === undefined) continue;
      const program = service.command?.find((word) => word.includes('/')) ?? '';
      expect(program).toBe(PROGRAMS_ELSEWHERE[name] ?? `apps/${name}/dist/main.js`);
      expect(existsSync(join(rootFolder, program.replace('dist/main.js', 'src/main.ts')))).toBe(true);
    }
  });

  it('uses settings that exist', () => {
    const used = Object.values(services).flatMap((service) =>
      service.build ? Object.keys(service.environment ?? {}) : [],
    );
    expect(used.filter((name) => !settingNames().includes(name))).toEqual([]);
  });

  it('asks every service for its health, and waits for it', () => {
    for (const [name, service] of Object.entries(services)) {
      if (!ONCE.includes(name)) expect(service.healthcheck?.test.length).toBeGreaterThan(1);
      for (const [needed, { condition, required }] of Object.entries(service.depends_on ?? {})) {
        expect(condition).toBe(ONCE.includes(needed) ? 'service_completed_successfully' : 'service_healthy');
        // What another profile has may be missing.
        const others = services[needed]?.profiles ?? [];
        const isThereToo = others.every((profile) => service.profiles?.includes(profile));
        expect([name, needed, required]).toEqual([name, needed, isThereToo]);
      }
    }
  });

  it('is read by docker compose with each profile, where this machine has it', () => {
    if (compose === undefined) return;
    const [program = '', ...args] = compose;
    for (const profiles of PROFILES) {
      const chosen = profiles.flatMap((profile) => ['--profile', profile]);
      const read = check(program, [...args, '-f', composeFile, ...chosen, 'config', '--format', 'json']);
      const expected = [...namesOf([]), ...profiles.flatMap((profile) => namesOf([profile]))];
      expect(Object.keys(read).sort()).toEqual(expected.sort());
    }
  });

  it('holds no secret that could be left as it is', () => {
    expect(Object.values(services).flatMap((service) => service.environment?.['ADMIN_API_KEY'] ?? [])).toEqual(
      Object.values(services).flatMap((service) => (service.build ? [''] : [])),
    );
  });
});
