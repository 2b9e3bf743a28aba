import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const STEP_MS_MAX = 180_000;
const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
let copy: string;

/** A copy of what the gateway is built from. Its own packages are linked to the copy, all others to the original. */
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'bw-nest-generate-'));
  const named = [
    'nest-cli.json',
    'package.json',
    'tsconfig.base.json',
    'tsconfig.nest.json',
    'tsconfig.pure.json',
    'libs',
  ];
  for (const name of [...named, 'apps/gateway']) {
    cpSync(join(rootFolder, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  mkdirSync(join(copy, 'node_modules', '@breakwater'), { recursive: true });
  for (const name of readdirSync(join(rootFolder, 'node_modules'))) {
    if (name === '@breakwater' || name.startsWith('.')) continue;
    symlinkSync(join(rootFolder, 'node_modules', name), join(copy, 'node_modules', name));
  }
  for (const name of readdirSync(join(copy, 'libs'))) {
    symlinkSync(join(copy, 'libs', name), join(copy, 'node_modules', '@breakwater', name));
  }
}, STEP_MS_MAX);

afterAll(() => rmSync(copy, { recursive: true, force: true }));

function run(args: readonly string[]): string {
  const result = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8', timeout: STEP_MS_MAX });
  expect({ status: result.status, output: result.status === 0 ? '' : result.stdout + result.stderr }).toEqual({
    status: 0,
    output: '',
  });
  return result.stdout;
}

describe('nest generate', () => {
  it(
    'makes a service that builds and runs',
    () => {
      run(['node_modules/@nestjs/cli/bin/nest.js', 'generate', 'service', 'greeting', '--project', 'gateway']);
      expect(readdirSync(join(copy, 'apps/gateway/src/greeting')).sort()).toEqual([
        'greeting.service.test.ts',
        'greeting.service.ts',
      ]);
      run(['node_modules/typescript/bin/tsc', '-b', 'apps/gateway']);
      const built = pathToFileURL(join(copy, 'apps/gateway/dist/greeting/greeting.service.js')).href;
      const program = `
        import 'reflect-metadata';
        import { Module } from '@nestjs/common';
        import { NestFactory } from '@nestjs/core';
        const { GreetingService } = await import(${JSON.stringify(built)});
        class Root {}
        Module({ providers: [GreetingService] })(Root);
        const context = await NestFactory.createApplicationContext(Root, { logger: false });
        process.stdout.write(context.get(GreetingService).constructor.name);
        await context.close();`;
      expect(run(['--input-type=module', '-e', program])).toBe('GreetingService');
    },
    STEP_MS_MAX,
  );
});
