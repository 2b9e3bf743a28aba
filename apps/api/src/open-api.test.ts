import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ERROR_CODES } from '@breakwater/wire';

import { type Loose, MemoryPlatform } from '../test/memory-platform.ts';

/** Wide: a busy machine must not fail a test. */
jest.setTimeout(60_000);

const platform = new MemoryPlatform();
let document: Loose;
beforeAll(async () => {
  await platform.start();
  document = (await platform.request('GET', '/api/openapi.json', { key: null })).body;
});
afterAll(() => platform.stop());

/** Served for people and tools, and not part of the API. */
const UNDOCUMENTED = [
  /^\/api$/,
  /^\/api\/?(index\.html|\*|LICENSE|swagger-ui-init\.js|openapi\.(json|yaml)|errors\/:code)?$/,
  /^\/api\/api\//,
  /^\/graphql$/,
];

function operations(): { method: string; path: string; operation: Loose }[] {
  return Object.entries(document.paths as Record<string, Record<string, Loose>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
}

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1 with every reference in place', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: 'Breakwater', version: '1' });
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] as string);
    expect(references.length).toBeGreaterThan(30);
    for (const reference of references) {
      const name = /^#\/components\/schemas\/([A-Za-z]+)$/.exec(reference)?.[1] ?? reference;
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    const ids = operations().map(({ operation }) => operation.operationId as string);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has every route that the server has', () => {
    const routes: string = platform.app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false });
    const served = routePaths(routes).filter(({ path }) => !UNDOCUMENTED.some((pattern) => pattern.test(path)));
    const documented = operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    const wanted = served.flatMap(({ path, methods }) =>
      methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${publicPath(path)}`),
    );
    expect([...new Set(wanted)].sort()).toEqual([...documented].sort());
    expect(documented.length).toBeGreaterThanOrEqual(16);
  });

  it('documents parameters, answers and problems of each route', () => {
    for (const { method, path, operation } of operations()) {
      const where = `${method} ${path}`;
      expect([where, operation.summary]).toEqual([where, expect.any(String)]);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const parameters = (operation.parameters ?? []) as {
        name: string;
        in: string;
        required?: boolean;
        schema?: object;
      }[];
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(inPath);
      for (const parameter of parameters)
        expect([where, parameter.name, parameter.schema]).toEqual([where, parameter.name, expect.any(Object)]);
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
      for (const status of statuses.filter((each) => Number(each) >= 400)) {
        expect(operation.responses[status].content['application/problem+json'].schema).toEqual({
          $ref: '#/components/schemas/Problem',
        });
      }
      if (path.startsWith('/api/v1/'))
        expect(operation).toMatchObject({ security: [{ apiKey: [] }], responses: { 401: {} } });
    }
    const patch = document.paths['/api/v1/devices/{id}/twin'].patch;
    expect(Object.keys(patch.requestBody.content).sort()).toEqual(['application/json', 'application/merge-patch+json']);
  });

  it('says that numbers in a query are numbers', () => {
    const { parameters } = document.paths['/api/v1/devices/{id}/telemetry'].get;
    const limit = parameters.find(({ name }: { name: string }) => name === 'limit');
    expect(limit).toMatchObject({
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 500 },
    });
  });
});

describe('the reference page', () => {
  it('has all it needs from this server', async () => {
    const page = await platform.request('GET', '/api/', { key: null });
    expect(page.status).toBe(200);
    const assets = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
    expect(assets.length).toBeGreaterThan(3);
    for (const asset of assets) {
      expect(asset).toMatch(/^\.\//);
      expect((await platform.request('GET', `/api/${asset.slice(2)}`, { key: null })).status).toBe(200);
    }
  });

  it('explains every error code', async () => {
    const listed = [
      ...readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^### ([A-Z_]+)$/gm),
    ];
    expect(listed.map((match) => match[1]).sort()).toEqual([...ERROR_CODES].sort());
    for (const code of ERROR_CODES) {
      const answer = await platform.request('GET', `/api/errors/${code}`, { key: null });
      expect([code, answer.status]).toEqual([code, 200]);
      expect(String(answer.body)).toMatch(new RegExp(`^# ${code}\\n\\n\\S`));
    }
    expect((await platform.request('GET', '/api/errors/NO_SUCH_CODE', { key: null })).status).toBe(404);
  });
});

/** In a path of the server a parameter may have a pattern, and a colon that begins none is written twice. */
function publicPath(path: string): string {
  const withoutPatterns = path.replaceAll(/\(\^.*?\)/g, '');
  return withoutPatterns.replaceAll(/(?<!:):(\w+)/g, '{$1}').replaceAll('::', ':');
}

/** Reads Fastify's tree of routes: one line per node, indented by its level. */
function routePaths(tree: string): { path: string; methods: string[] }[] {
  const stack: string[] = [];
  const routes: { path: string; methods: string[] }[] = [];
  for (const line of tree.split('\n')) {
    const match = /^((?:│ {3}| {4})*)(?:├── |└── )(\S*)(?: \((.*)\))?$/.exec(line);
    if (match === null) continue;
    const depth = (match[1] as string).length / 4;
    stack.length = depth;
    stack[depth] = match[2] as string;
    if (match[3] !== undefined) routes.push({ path: stack.join(''), methods: match[3].split(', ') });
  }
  return routes;
}
