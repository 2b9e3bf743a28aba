import { describe, expect, it } from '@jest/globals';
import { createFixture, settled } from './testing/endpoint-fixture.ts';

/** Hex of one packet: first byte, length worked out, body. */
function packet(firstByte: string, ...parts: string[]): Buffer {
  const body = Buffer.from(parts.join(''), 'hex');
  return Buffer.concat([Buffer.from(firstByte, 'hex'), Buffer.from([body.length]), body]);
}

function text(value: string): string {
  return sized(Buffer.from(value).toString('hex'));
}

function sized(hex: string): string {
  return (hex.length / 2).toString(16).padStart(4, '0') + hex;
}

function properties(...hex: string[]): string {
  const section = hex.join('');
  return (section.length / 2).toString(16).padStart(2, '0') + section;
}

const CONNECT_HEAD = '00044d51545405';
const topic = text('t');

/** What is wrong, the packet, and what a version 5 client hears before the close. */
const afterConnect: [string, Buffer, string][] = [
  ['second CONNECT', packet('10', CONNECT_HEAD, '02', '003c', '00', text('d1')), '0x82'],
  ['CONNACK from a client', packet('20', '0000'), '0x82'],
  ['SUBACK from a client', packet('90', '000100'), '0x82'],
  ['UNSUBACK from a client', packet('b0', '000100'), '0x82'],
  ['PINGRESP from a client', packet('d0'), '0x82'],
  ['AUTH without a method', packet('f0', '18', '00'), '0x82'],
  ['reserved packet type 0', packet('00'), '0x82'],
  ['PINGREQ with a body', packet('c0', '00'), '0x81'],
  ['PINGREQ with flags', packet('c1'), '0x81'],
  ['PUBREL without its flag', packet('60', '0001'), '0x81'],
  ['SUBSCRIBE without its flag', packet('80', '0001', '00', text('a'), '00'), '0x81'],
  ['PUBACK with flags', packet('41', '0001'), '0x81'],
  ['QoS 3', packet('36', topic, '0001', '00'), '0x81'],
  ['DUP with QoS 0', packet('38', topic, '00'), '0x81'],
  ['packet id 0 in PUBLISH', packet('32', topic, '0000', '00'), '0x82'],
  ['packet id 0 in SUBSCRIBE', packet('82', '0000', '00', text('a'), '00'), '0x82'],
  ['packet id 0 in UNSUBSCRIBE', packet('a2', '0000', '00', text('a')), '0x82'],
  ['packet id 0 in PUBACK', packet('40', '0000'), '0x82'],
  ['packet id 0 in PUBREL', packet('62', '0000'), '0x82'],
  ['PUBLISH without a packet id', packet('32', topic), '0x81'],
  ['PUBLISH with half a packet id', packet('32', topic, '00'), '0x81'],
  ['PUBLISH without properties', packet('30', topic), '0x81'],
  ['PUBLISH with an empty topic', packet('30', '0000', '00'), '0x82'],
  ['topic longer than its packet', packet('30', '00ff61', '00'), '0x81'],
  ['topic with #', packet('30', text('a/#'), '00'), '0x90'],
  ['topic with +', packet('30', text('a/+/b'), '00'), '0x90'],
  ['topic with NUL', packet('30', text('a\u0000b'), '00'), '0x81'],
  ['topic that is not UTF-8', packet('30', sized('61ff'), '00'), '0x81'],
  ['topic with an overlong form', packet('30', sized('c080'), '00'), '0x81'],
  ['topic with a surrogate', packet('30', sized('eda080'), '00'), '0x81'],
  ['topic with U+FFFD', packet('30', text('a\ufffd'), '00'), '0x81'],
  ['unknown property', packet('30', topic, properties('7f00')), '0x81'],
  ['property identifier 0', packet('30', topic, properties('0000')), '0x81'],
  ['property of CONNECT in PUBLISH', packet('30', topic, properties('1100000001')), '0x81'],
  ['property of CONNACK in PUBLISH', packet('30', topic, properties('130001')), '0x81'],
  ['properties longer than the packet', packet('30', topic, '20', '0101'), '0x81'],
  ['property longer than its section', packet('30', topic, '02', '0200000001'), '0x81'],
  ['property length of five bytes', packet('30', topic, '8080808001'), '0x81'],
  ['format indicator 2', packet('30', topic, properties('0102')), '0x82'],
  ['format indicator twice, first 0', packet('30', topic, properties('0100', '0101')), '0x82'],
  ['expiry twice', packet('30', topic, properties('0200000001', '0200000001')), '0x82'],
  ['expiry twice, first 0', packet('30', topic, properties('0200000000', '0200000001')), '0x82'],
  ['content type twice, first empty', packet('30', topic, properties('030000', '03000161')), '0x82'],
  ['content type that is not UTF-8', packet('30', topic, properties('030001ff')), '0x81'],
  ['user property that is not UTF-8', packet('30', topic, properties('260001ff000161')), '0x81'],
  ['half a user property', packet('30', topic, properties('26000161')), '0x81'],
  ['65 user properties', userProperties(65), '0x97'],
  ['subscription identifier in PUBLISH', packet('30', topic, properties('0b01')), '0x81'],
  ['response topic with wildcards', packet('30', topic, properties('08000123')), '0x82'],
  ['topic alias 0', packet('30', topic, properties('230000')), '0x94'],
  ['topic alias over the limit', packet('30', topic, properties('230005')), '0x94'],
  ['topic alias never set', packet('30', '0000', properties('230001')), '0x82'],
  ['SUBSCRIBE without filters', packet('82', '0001', '00'), '0x82'],
  ['UNSUBSCRIBE without filters', packet('a2', '0001', '00'), '0x82'],
  ['filter without options', packet('82', '0001', '00', text('a')), '0x81'],
  ['empty filter', packet('82', '0001', '00', '0000', '00'), '0x81'],
  ['filter with # inside', packet('82', '0001', '00', text('a/#/b'), '00'), '0x81'],
  ['filter with + in a level', packet('82', '0001', '00', text('a+'), '00'), '0x81'],
  ['filter with NUL', packet('82', '0001', '00', text('\u0000'), '00'), '0x81'],
  ['subscription QoS 3', packet('82', '0001', '00', text('a'), '03'), '0x81'],
  ['reserved subscription options', packet('82', '0001', '00', text('a'), '40'), '0x81'],
  ['retain handling 3', packet('82', '0001', '00', text('a'), '30'), '0x81'],
  ['No Local on a shared subscription', packet('82', '0001', '00', text('$share/g/a'), '04'), '0x82'],
  ['subscription identifier', packet('82', '0001', properties('0b01'), text('a'), '00'), '0xa1'],
  ['subscription identifier 0', packet('82', '0001', properties('0b00'), text('a'), '00'), '0x82'],
  ['bytes behind a PUBACK', packet('40', '0001', '00', '00', 'ff'), '0x81'],
  ['PUBACK with an unknown reason', packet('40', '0001', '01'), '0x81'],
  ['PUBREL with a reason of PUBACK', packet('62', '0001', '10'), '0x81'],
  ['DISCONNECT with flags', packet('e1'), '0x81'],
  ['DISCONNECT with a reason of servers', packet('e0', '8b', '00'), '0x82'],
  ['DISCONNECT with an unknown reason', packet('e0', '55', '00'), '0x81'],
  ['DISCONNECT that adds a session expiry', packet('e0', '00', properties('1100000005')), '0x82'],
  ['bytes behind a DISCONNECT', packet('e0', '00', '00', '00'), '0x81'],
  ['packet over the limit', Buffer.from([0x30, 0xff, 0xff, 0x7f]), '0x95'],
  ['remaining length of five bytes', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), '0x81'],
];

function userProperties(count: number): Buffer {
  const section = '2600000000'.repeat(count);
  const length = section.length / 2;
  const body = Buffer.from(topic + Buffer.from([(length & 0x7f) | 0x80, length >> 7]).toString('hex') + section, 'hex');
  return Buffer.concat([Buffer.from([0x30, (body.length & 0x7f) | 0x80, body.length >> 7]), body]);
}

describe('after CONNECT, version 5', () => {
  it.each(afterConnect)('%s', async (_name, bytes, code) => {
    const { host, connect, endpoint } = createFixture();
    const neighbour = await connect({ clientId: 'neighbour' });
    const client = await connect({ clientId: 'hostile' });
    client.input.receive(bytes);
    expect(client.heard()).toEqual(['connack', `disconnect ${code}`]);
    expect(client.transport.state).toBe('ended');
    expect(host.publishes).toHaveLength(0);
    expect(host.closed).toMatchObject([{ reason: 'protocolError' }]);
    neighbour.publish(1);
    host.publishAt(0).settle({ kind: 'stored' });
    await settled();
    expect(neighbour.heard()).toEqual(['connack', 'puback 1']);
    expect(endpoint.connectionCount).toBe(1);
  });
});

const before5: [string, Buffer][] = [
  ['second CONNECT', packet('10', '00044d51545404', '02', '003c', text('d1'))],
  ['AUTH', packet('f0', '18', '00')],
  ['QoS 3', packet('36', topic, '0001')],
  ['DUP with QoS 0', packet('38', topic)],
  ['packet id 0', packet('32', topic, '0000')],
  ['empty topic', packet('30', '0000')],
  ['topic with #', packet('30', text('#'))],
  ['PUBACK with a reason', packet('40', '0001', '00')],
  ['DISCONNECT with a body', packet('e0', '00')],
  ['SUBSCRIBE without filters', packet('82', '0001')],
  ['reserved subscription options', packet('82', '0001', text('a'), '04')],
  ['packet over the limit', Buffer.from([0x30, 0xff, 0xff, 0x7f])],
];

describe('after CONNECT, version 3.1.1', () => {
  it.each(before5)('%s closes without a word', async (_name, bytes) => {
    const { host, connect } = createFixture();
    const client = await connect({ protocolVersion: 4 });
    client.input.receive(bytes);
    expect(client.heard()).toEqual(['connack']);
    expect(client.transport.state).toBe('ended');
    expect(host.publishes).toHaveLength(0);
    expect(host.closed).toMatchObject([{ reason: 'protocolError' }]);
  });
});

const inConnect: [string, Buffer, string][] = [
  ['reserved flag', packet('10', CONNECT_HEAD, '03', '003c', '00', text('d')), '0x81'],
  ['will QoS 3', packet('10', CONNECT_HEAD, '1e', '003c', '00', text('d'), '00', topic, sized('61')), '0x81'],
  ['will QoS without a will', packet('10', CONNECT_HEAD, '0a', '003c', '00', text('d')), '0x81'],
  ['will retain without a will', packet('10', CONNECT_HEAD, '22', '003c', '00', text('d')), '0x81'],
  [
    'will topic with wildcards',
    packet('10', CONNECT_HEAD, '06', '003c', '00', text('d'), '00', text('#'), '0000'),
    '0x90',
  ],
  [
    'session expiry twice',
    packet('10', CONNECT_HEAD, '02', '003c', properties('1100000001', '1100000002'), text('d')),
    '0x82',
  ],
  [
    'session expiry twice, first 0',
    packet('10', CONNECT_HEAD, '02', '003c', properties('1100000000', '1100000002'), text('d')),
    '0x82',
  ],
  ['receive maximum 0', packet('10', CONNECT_HEAD, '02', '003c', properties('210000'), text('d')), '0x82'],
  ['packet size 0', packet('10', CONNECT_HEAD, '02', '003c', properties('2700000000'), text('d')), '0x82'],
  ['flag property 2', packet('10', CONNECT_HEAD, '02', '003c', properties('1702'), text('d')), '0x82'],
  ['property of PUBLISH', packet('10', CONNECT_HEAD, '02', '003c', properties('230001'), text('d')), '0x81'],
  [
    'property of CONNECT in the will',
    packet('10', CONNECT_HEAD, '06', '003c', '00', text('d'), properties('210001'), topic, '0000'),
    '0x81',
  ],
  ['authentication data alone', packet('10', CONNECT_HEAD, '02', '003c', properties('16000161'), text('d')), '0x82'],
  ['client id that is not UTF-8', packet('10', CONNECT_HEAD, '02', '003c', '00', sized('ff')), '0x81'],
  ['client id with NUL', packet('10', CONNECT_HEAD, '02', '003c', '00', text('a\u0000')), '0x81'],
  ['user name that is not UTF-8', packet('10', CONNECT_HEAD, '82', '003c', '00', text('d'), sized('ff')), '0x81'],
  ['user name missing', packet('10', CONNECT_HEAD, '82', '003c', '00', text('d')), '0x81'],
  ['bytes behind the end', packet('10', CONNECT_HEAD, '02', '003c', '00', text('d'), '00'), '0x81'],
  ['no client id at all', packet('10', CONNECT_HEAD, '02', '003c', '00'), '0x81'],
];

describe('CONNECT, version 5', () => {
  it.each(inConnect)('%s', async (_name, bytes, code) => {
    const { host, client } = createFixture();
    const hostile = client();
    hostile.input.receive(bytes);
    await settled();
    expect(hostile.heard()).toEqual([`connack ${code}`]);
    expect(hostile.transport.state).toBe('ended');
    expect(host.calls).toEqual([]);
  });

  it('before 5 closes without a word, also for a password without a user name', () => {
    const { client } = createFixture();
    for (const flags of ['03', '42']) {
      const hostile = client(4);
      hostile.input.receive(packet('10', '00044d51545404', flags, '003c', text('d'), text('p')));
      expect(hostile.transport).toMatchObject({ state: 'ended', writes: [] });
    }
  });
});
