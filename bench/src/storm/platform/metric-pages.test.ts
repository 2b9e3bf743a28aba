import { describe, expect, it } from '@jest/globals';

import { sumOfMetric } from './metric-pages.ts';

const PAGE = `# TYPE breakwater_twin_records_total counter
breakwater_twin_records_total{lane="telemetry",outcome="applied",service="w"} 40
breakwater_twin_records_total{lane="telemetry",outcome="dead",service="w"} 2
breakwater_twin_records_total{lane="control",outcome="applied",service="w"} 7
breakwater_twin_records_total_created 99
breakwater_shed_total 3
`;

describe('sumOfMetric', () => {
  it('sums the series of all pages that have the label', () => {
    expect(sumOfMetric([PAGE, PAGE], 'breakwater_twin_records_total', 'lane="telemetry"')).toBe(84);
    expect(sumOfMetric([PAGE], 'breakwater_twin_records_total')).toBe(49);
  });

  it('reads series without labels, and takes what is not there for nothing', () => {
    expect(sumOfMetric([PAGE], 'breakwater_shed_total')).toBe(3);
    expect(sumOfMetric([PAGE], 'breakwater_unknown_total')).toBe(0);
  });
});
