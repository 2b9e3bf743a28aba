import { describe, expect, it } from '@jest/globals';

import { temporalArguments, temporalPart } from './temporal-server.ts';

const options = {
  programPath: '/x/temporal',
  dataFolder: '/x/data',
  namespace: 'breakwater',
  frontendPort: 4711,
  uiPort: 8233,
  metricsPort: 4712,
  stopLevel: 5,
  niceness: 10,
};

describe('the Temporal server of npm start', () => {
  it('keeps its workflows in the data folder, with the pragmas that make it fast', () => {
    const text = temporalArguments(options).join(' ');
    for (const wanted of [
      'server start-dev',
      '--db-filename /x/data/temporal/temporal.db',
      '--sqlite-pragma journal_mode=wal',
      '--sqlite-pragma synchronous=normal',
      '--namespace breakwater',
      '--ui-port 8233',
    ]) {
      expect(text).toContain(wanted);
    }
  });

  it('listens on the loopback only, pages too', () => {
    const args = temporalArguments(options);
    for (const name of ['--ip', '--ui-ip']) expect(args[args.indexOf(name) + 1]).toBe('127.0.0.1');
  });

  it('asks nobody for newer versions, and says where it listens', () => {
    const part = temporalPart(options);
    expect(part.env).toMatchObject({ TEMPORAL_VERSION_CHECK_DISABLED: '1' });
    expect(part.ports).toEqual({ grpc: 4711, ui: 8233, metrics: 4712 });
  });
});
