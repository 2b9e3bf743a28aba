import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { type GatewayFixture, startFixture, until } from './gateway-fixture.ts';
import { ScriptedBroker } from './scripted-broker.ts';

const PER_SECOND = 10;
const MESSAGES = 2 * PER_SECOND;

describe('a bridge whose broker cuts the connection', () => {
  let broker: ScriptedBroker;
  let bridge: GatewayFixture;

  beforeEach(async () => {
    broker = await ScriptedBroker.start();
    const bridgeUrl = `mqtt://127.0.0.1:${broker.port}`;
    const settings = { gatewayRole: 'bridge', bridgeUrl, publishesPerSecondMax: PER_SECOND } as const;
    bridge = await startFixture({ settings });
    await bridge.addDevice('pump');
    await until('the bridge to be subscribed', () => bridge.gateway.readiness().ready);
  });
  afterEach(async () => {
    broker.stop();
    await bridge.stop();
  });

  const stored = async (): Promise<readonly number[]> =>
    (await bridge.recordsOf('pump')).flatMap(({ message }) =>
      message.kind === 'telemetry' ? [Number(message.points[0]?.values.get('n'))] : [],
    );
  const numbered = (first: number, count: number): { packetId: number; topic: string; payload: string }[] =>
    Array.from({ length: count }, (_, at) => first + at).map((n) => ({
      packetId: n,
      topic: 'default/pump/telemetry',
      payload: JSON.stringify({ n }),
    }));

  it('stores nothing behind what the broker brings again: what waited for its rate is given up', async () => {
    expect(broker.filters).toEqual(['$share/breakwater/+/+/#']);
    broker.deliver(numbered(1, MESSAGES));
    await until('a burst to be stored', async () => broker.acknowledged.length >= PER_SECOND);
    const atFirst = broker.acknowledged.length;
    broker.cut();
    await until('the bridge to be subscribed again', () => broker.filters.length === 2);
    // It brings again all that it has no acknowledgement of, and goes on.
    broker.deliver(numbered(atFirst + 1, MESSAGES));
    await until('all to be acknowledged', () => broker.acknowledged.length === MESSAGES);
    const numbers = await stored();
    // Of what was stored and not acknowledged the broker's repetition is stored too: it has no `id`.
    const again = numbers.indexOf(atFirst + 1, atFirst + 1);
    const second = again < 0 ? atFirst : again;
    expect(numbers.slice(second)).toEqual(Array.from({ length: MESSAGES }, (_, at) => atFirst + 1 + at));
    expect(second).toBeLessThan(MESSAGES);
  });
});
