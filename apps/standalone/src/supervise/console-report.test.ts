import { describe, expect, it } from '@jest/globals';

import { ConsoleReport } from './console-report.ts';

describe('the console', () => {
  it('shows the first warnings of a part and points to its log for the rest', () => {
    let printed = '';
    const report = new ConsoleReport((text) => (printed += text));
    for (let index = 0; index < 1_000; index += 1)
      report.warning('gateway', `warn: number ${index}`, 'logs/gateway.log');
    expect(printed.match(/warn: number/g)).toHaveLength(10);
    expect(printed.match(/only in logs\/gateway\.log/g)).toHaveLength(1);
  });
});
