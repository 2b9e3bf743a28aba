// Nest 12 is ESM only: jest runs under `node --experimental-vm-modules` and imports the TypeScript sources directly
// through the export condition `@breakwater/source`, so that no test ever sees a stale build.
const nest = { legacyDecorator: true, decoratorMetadata: true };
const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: nest,
      target: 'es2023',
      keepClassNames: true,
    },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  },
];
const project = (displayName, testMatch) => ({
  displayName,
  testMatch,
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@breakwater/source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': swc },
  modulePathIgnorePatterns: ['/dist/', '/data/'],
});

export default {
  // A limit against hanging alone: a machine that does much else is slower by far than jest's own five seconds allow.
  testTimeout: 60_000,
  projects: [
    project('unit', [
      '<rootDir>/{libs,apps,temporal,bench,tools,test}/**/src/**/*.test.ts',
      '<rootDir>/tools/test/**/*.test.ts',
    ]),
    project('contract', ['<rootDir>/libs/*/test/**/*.contract.ts']),
    project('simulation', ['<rootDir>/test/simulation/**/*.sim.ts']),
    project('integration', ['<rootDir>/{libs,apps,temporal,test,tools}/**/*.int.ts']),
    project('faults', ['<rootDir>/test/faults/**/*.fault.ts']),
    project('kubernetes', ['<rootDir>/tools/test/chart/*.k8s.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e.ts']),
  ],
};
