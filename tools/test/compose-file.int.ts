import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { settingNames } from '../src/configuration-page.ts';

/** The reference implementation of the Compose specification; `docker compose` itself is built on it. */
const COMPOSE_CHECKER = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2';
const CHECK_MS_MAX = 300_000;

const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
const composeFile = join(rootFolder, 'docker-compose.yml');
const hasGo = spawnSync('go', ['version']).status === 0;
const hasComposePlugin = spawnSync('docker', ['compose', 'version']).status === 0;

interface Service {
  readonly image?: string;
  readonly build?: object;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
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

  it('has the stores and every app of a cluster', () => {
    expect(Object.keys(services).sort()).toEqual([
      'api',
      'clickhouse',
      'gateway',
      'redis',
      'telemetry-writer',
      'twin-worker',
    ]);
  });

  it('starts programs that exist', () => {
    for (const [name, service] of Object.entries(services)) {
      if (service.build === undefined) continue;
      const program = service.command?.find((word) => word.endsWith('/dist/main.js')) ?? '';
      expect(program).toBe(`apps/${name}/dist/main.js`);
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
    for (const service of Object.values(services)) {
      expect(service.healthcheck?.test.length).toBeGreaterThan(1);
      for (const needed of Object.values(service.depends_on ?? {})) expect(needed.condition).toBe('service_healthy');
    }
  });

  it('is read by the docker compose of this machine, where there is one', () => {
    if (!hasComposePlugin) return;
    const read = check('docker', ['compose', '-f', composeFile, 'config', '--format', 'json']);
    expect(Object.keys(read).sort()).toEqual(Object.keys(services).sort());
  });

  it('holds no secret that could be left as it is', () => {
    expect(Object.values(services).flatMap((service) => service.environment?.['ADMIN_API_KEY'] ?? [])).toEqual(
      Object.values(services).flatMap((service) => (service.build ? [''] : [])),
    );
  });
});
