import { describe, expect, it } from '@jest/globals';

import { readSettings } from '../define-settings.ts';
import { gatewaySettings } from './gateway-settings.ts';
import { writerSettings } from './writer-settings.ts';

describe('the defaults', () => {
  it('keep as much of the log as gateways read back for what a device sent before', () => {
    const { resendTailRecordsMax } = readSettings(gatewaySettings, {});
    const { retentionRecords } = readSettings(writerSettings, {});
    expect(retentionRecords).toBeGreaterThanOrEqual(resendTailRecordsMax);
  });
});
