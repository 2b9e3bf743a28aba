import { describe, expect, it } from '@jest/globals';

import { shownConnection } from './presence-watch.ts';

describe('shownConnection', () => {
  it.each([
    ['event: twin\nid: 1-1\ndata: {"id":"d","presence":{"connected":false}}', false],
    ['event: gap\nid: 1-2\ndata: {"id":"d","presence":{"connected":true}}', true],
    ['event: telemetry\ndata: {"id":"d","telemetry":{}}', null],
    [': heartbeat', null],
    ['retry: 2000\nid: 0', null],
  ])('reads %j', (event, shown) => {
    expect(shownConnection(event)).toBe(shown);
  });
});
