import ts from 'typescript';

import type { Finding } from './finding.ts';
import { isTestCode, isTypeScript, type SourceFile } from './source-tree.ts';

/** What a package may import beyond its own files. `node:` stands for Node's own modules. */
interface ImportRule {
  readonly package: RegExp;
  readonly may: readonly RegExp[];
  readonly reason: string;
}

const workspace = (...names: string[]): RegExp[] => names.map((name) => new RegExp(`^@breakwater/${name}(?:/|$)`));
const anyNpm = /^(?!@breakwater\/)/;
const anyLib =
  /^@breakwater\/(?:twin|twin-runtime|mqtt-endpoint|wire|config|device-trust|observability|log-engine|free-port|adapter-[a-z]+)(?:\/|$)/;
const adapterBase = [...workspace('twin', 'twin-runtime', 'wire', 'config', 'observability', 'free-port'), /^node:/];

/** The dependency rule: one direction, from the pure domain outwards. The first rule that matches a package holds. */
const IMPORT_RULES: readonly ImportRule[] = [
  { package: /^libs\/twin$/, may: [], reason: 'the domain is pure and imports nothing' },
  {
    package: /^libs\/mqtt-endpoint$/,
    may: [/^mqtt-packet$/, /^node:crypto$/],
    reason: 'the MQTT engine knows its codec and no transport',
  },
  { package: /^libs\/wire$/, may: [...workspace('twin'), /^zod$/], reason: 'the wire formats know the twin and zod' },
  {
    package: /^libs\/twin-runtime$/,
    may: [...workspace('twin'), /^lru-cache$/, /^node:crypto$/],
    reason: 'the runtime knows its ports, not vendors',
  },
  {
    package: /^libs\/device-trust$/,
    may: [...workspace('twin'), /^node:crypto$/, /^@peculiar\/x509$/, /^jose$/, /^reflect-metadata$/],
    reason: 'what devices prove themselves with is checked without any I/O',
  },
  { package: /^libs\/config$/, may: [/^zod$/], reason: 'settings are schemas and nothing else' },
  { package: /^libs\/free-port$/, may: [/^node:/], reason: 'it knows the sockets of this machine and nothing of ours' },
  {
    package: /^libs\/observability$/,
    may: [...workspace('config'), /^node:/, /^pino$/, /^@prometheus-io\/client$/],
    reason: 'logs and metrics only',
  },
  { package: /^libs\/adapter-memory$/, may: adapterBase, reason: 'an adapter knows the ports and one technology' },
  {
    package: /^libs\/adapter-redis$/,
    may: [...adapterBase, /^ioredis$/],
    reason: 'an adapter knows the ports and one technology',
  },
  {
    package: /^libs\/adapter-kafka$/,
    may: [...adapterBase, /^@platformatic\/kafka$/],
    reason: 'an adapter knows the ports and one technology',
  },
  {
    package: /^libs\/log-engine$/,
    may: [...adapterBase, ...workspace('adapter-redis', 'adapter-kafka')],
    reason: 'it chooses between the engines of the log, and is the only library that knows both',
  },
  {
    package: /^libs\/adapter-clickhouse$/,
    may: [...adapterBase, /^@clickhouse\/client$/, /^umzug$/],
    reason: 'an adapter knows the ports and one technology',
  },
  {
    package: /^libs\/adapter-temporal$/,
    may: [...adapterBase, /^@temporalio\/(?:client|common)$/],
    reason: 'an adapter knows the ports and one technology',
  },
  {
    package: /^temporal\/workflows$/,
    may: [...workspace('twin'), /^@breakwater\/wire\/command-workflow$/, /^@temporalio\/(?:workflow|common)$/],
    // The whole of `wire` does not load in a workflow's sandbox.
    reason: 'workflows are replayed: they know the domain, their own types of the wire and their engine, and no world',
  },
  {
    package: /^temporal\//,
    may: [anyLib, anyNpm, ...workspace('workflows', 'activities')],
    reason: 'a worker is an app',
  },
  { package: /^apps\//, may: [anyLib, anyNpm], reason: 'an app may use every library and never another app' },
  {
    package: /^test$/,
    may: [anyLib, anyNpm, ...workspace('bench')],
    reason: 'apps are started as processes, never imported',
  },
  { package: /^(?:bench|tools)$/, may: [anyLib, anyNpm], reason: 'apps are started as processes, never imported' },
];

const TEST_LIBRARIES = [
  /^@jest\/globals$/,
  /^fast-check$/,
  /^node:/,
  ...workspace('twin-runtime', 'adapter-memory', 'adapter-redis'),
];

function packageOf(path: string): string {
  const parts = path.split('/');
  return parts[0] === 'libs' || parts[0] === 'apps' || parts[0] === 'temporal'
    ? `${parts[0]}/${parts[1]}`
    : (parts[0] ?? '');
}

export function checkImports(files: readonly SourceFile[]): Finding[] {
  const entries = entriesOf(files);
  const sources = files.filter((file) => isTypeScript(file.path));
  return [...sources.flatMap((file) => checkFile(file, entries)), ...checkDeclarations(files)];
}

function checkFile(file: SourceFile, entries: ReadonlySet<string>): Finding[] {
  const rule = ruleOf(file.path);
  if (rule === undefined) return [];
  return importsOf(file).flatMap(({ specifier, line }) => {
    const finding = (message: string): Finding[] => [{ file: file.path, line, message }];
    if (specifier.startsWith('.')) return checkRelative(file.path, specifier).flatMap(finding);
    if (/^@breakwater\/[^/]+\//.test(specifier) && !entries.has(specifier)) {
      return finding(`${specifier}: import from the package, not from inside it`);
    }
    // A program that a test starts imports its own package by name, as a user of the package does.
    if (isTestCode(file.path) && ownName(specifier) === packageOf(file.path).split('/').at(-1)) return [];
    const allowed = isTestCode(file.path) ? [...rule.may, ...TEST_LIBRARIES] : rule.may;
    if (allowed.some((pattern) => pattern.test(specifier))) return [];
    return finding(`${specifier} may not be imported here: ${rule.reason}`);
  });
}

/** The entries beyond `.` that our packages offer, such as `@breakwater/twin-runtime/testing`. */
function entriesOf(files: readonly SourceFile[]): ReadonlySet<string> {
  const manifests = files.filter((file) => /^(?:libs|apps)\/[^/]+\/package\.json$/.test(file.path));
  return new Set(
    manifests.flatMap((manifest) => {
      const { name, exports = {} } = JSON.parse(manifest.text) as { name?: string; exports?: Record<string, unknown> };
      return Object.keys(exports).map((entry) => `${name}${entry.slice(1)}`);
    }),
  );
}

function ownName(specifier: string): string | undefined {
  return /^@breakwater\/([^/]+)/.exec(specifier)?.[1];
}

function checkRelative(path: string, specifier: string): string[] {
  const problems: string[] = [];
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  if (packageOf(target) !== packageOf(path))
    problems.push(`${specifier} leaves its package: import the other package by name`);
  if (!/\.(?:ts|json)$/.test(specifier)) problems.push(`${specifier}: name the file with its .ts`);
  return problems;
}

/** Dependencies in package.json follow the same rule as imports; every npm package that is imported is declared. */
function checkDeclarations(files: readonly SourceFile[]): Finding[] {
  const manifests = files.filter((file) =>
    /^(?:(?:libs|apps)\/[^/]+|bench|test|tools)\/package\.json$/.test(file.path),
  );
  const rootNames = namesOf(files.find((file) => file.path === 'package.json'));
  return manifests.flatMap((manifest) => {
    const rule = ruleOf(manifest.path);
    const declared = namesOf(manifest);
    const forbidden = declared.filter(
      (name) => name.startsWith('@breakwater/') && !rule?.may.some((pattern) => pattern.test(name)),
    );
    const own = packageOf(manifest.path);
    const used = files.filter((file) => isTypeScript(file.path) && packageOf(file.path) === own);
    return [
      ...forbidden.map((name) => ({
        file: manifest.path,
        line: 1,
        message: `${name} may not be a dependency: ${rule?.reason}`,
      })),
      ...used.flatMap((file) => undeclared(file, [...declared, ...(isTestCode(file.path) ? rootNames : [])])),
    ];
  });
}

function undeclared(file: SourceFile, declared: readonly string[]): Finding[] {
  return importsOf(file).flatMap(({ specifier, line }) => {
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
    const known =
      /^(?:\.|node:)/.test(specifier) ||
      declared.includes(name) ||
      (isTestCode(file.path) && name.startsWith('@breakwater/'));
    return known
      ? []
      : [{ file: file.path, line, message: `${name} is not among the dependencies of ${packageOf(file.path)}` }];
  });
}

function namesOf(manifest: SourceFile | undefined): string[] {
  if (manifest === undefined) return [];
  const content = JSON.parse(manifest.text) as Record<string, Record<string, string> | undefined>;
  return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((field) =>
    Object.keys(content[field] ?? {}),
  );
}

function ruleOf(path: string): ImportRule | undefined {
  return IMPORT_RULES.find((rule) => rule.package.test(packageOf(path)));
}

/** Static and dynamic imports and re-exports, read by the compiler's own scanner. */
function importsOf(file: SourceFile): { specifier: string; line: number }[] {
  const { importedFiles } = ts.preProcessFile(file.text, true, true);
  return importedFiles.map(({ fileName, pos }) => ({
    specifier: fileName,
    line: file.text.slice(0, pos).split('\n').length,
  }));
}
