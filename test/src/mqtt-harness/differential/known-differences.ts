import { OLDER_CLOSED } from './scripted-device.ts';
import type { Step } from './session-script.ts';
import type { StepRecord } from './session-run.ts';

export interface SessionPair {
  readonly engine: readonly StepRecord[];
  readonly mosquitto: readonly StepRecord[];
}

const EXPIRE_STEP = JSON.stringify({ kind: 'expire' } satisfies Step);

/**
 * Where the engine and mosquitto 2.0 differ and both may: each rule takes out of the records what it explains and
 * nothing else. The list for readers is in docs/mqtt.md, "Differences from a general broker".
 */
const RULES: readonly { readonly name: string; readonly apply: (pair: SessionPair) => SessionPair }[] = [
  {
    // The standard lets a server close without a word. The engine says why before it closes, mosquitto says it seldom.
    name: 'a DISCONNECT of MQTT 5 before the close',
    apply: onBoth(onDevice((line) => (/^(?:the older connection hears )?disconnect 0x/.test(line) ? null : line))),
  },
  {
    // Both ways are in MQTT 5 §4.3.3. A log wants the message at once: its PUBREC promises that it is kept.
    name: 'a message with QoS 2 goes on at PUBLISH, with mosquitto at PUBREL',
    apply: movedToTheEnd,
  },
  {
    // 0x92 is what MQTT 5 §3.6.2.1 and §3.7.2.1 have for an id that is not in use. Mosquitto says success.
    name: 'PUBREL and PUBCOMP say that a packet id is unknown',
    apply: onBoth(onDevice((line) => line.replace(/^(pubrel|pubcomp) (\d+) 0x92$/, '$1 $2'))),
  },
  {
    // MQTT 3.1.1 §3.1.2.5 and MQTT 5 §3.1.2.5: the will is due when the connection ends without DISCONNECT, and a
    // takeover ends it so. Mosquitto sends it only when the session ends with the connection.
    // A will that waits is due when its session ends (MQTT 5 §3.1.2.5), and clean start ends it. Mosquitto drops it.
    name: 'the will of a connection that is taken over, and one that waits, when the device is back',
    apply: ({ engine, mosquitto }) => ({
      engine: engine.map((record, index) => withoutWillAtConnect(record, mosquitto[index])),
      mosquitto,
    }),
  },
  {
    // MQTT 5 §4.3.3: a message that was sent does not expire any more, so its handshake goes on. Mosquitto forgets it.
    name: 'PUBREL again for a message whose time is over meanwhile',
    apply: ({ engine, mosquitto }) => {
      const firstExpiry = engine.findIndex(({ step }) => step === EXPIRE_STEP);
      if (firstExpiry === -1) return { engine, mosquitto };
      return {
        engine: engine.map((record, index) =>
          index < firstExpiry ? record : withoutReleasesAtConnect(record, mosquitto[index]),
        ),
        mosquitto,
      };
    },
  },
  {
    // The peer is another client's session, and its packet ids follow from the order of the rule above.
    name: 'packet ids of the peer',
    apply: onBoth(onPeer((line) => (line.startsWith('pubrel') ? null : line.replace(/ id\d+/, '')))),
  },
];

export function withoutKnownDifferences(pair: SessionPair): SessionPair {
  return RULES.reduce((left, { apply }) => apply(left), pair);
}

/**
 * What is left out of the scripts, because mosquitto 2.0 goes on in another state after it:
 * - a second CONNECT, which both close, and with which mosquitto forgets the session;
 * - SUBACK and PINGRESP from a client, which mosquitto takes for nothing and the engine for an error;
 * - a Receive Maximum of the client: mosquitto 2.0.11 sends more than it after the first acknowledgement, counts a
 *   PUBREL that it sends again, and lets QoS 0 overtake what waits. The tests of libs/mqtt-endpoint have it;
 * - a will delay with a session that ends with its connection: mosquitto waits nevertheless, against MQTT 5 §3.1.3.2.2;
 * - a QoS 2 message that is sent a third time: mosquitto 2.0.11 closes the connection;
 * - packets with reserved bits from a client of MQTT 3.1, which mosquitto takes.
 */
type ChangeRecord = (record: StepRecord) => StepRecord;
type ChangeLine = (line: string) => string | null;

function onBoth(change: ChangeRecord): (pair: SessionPair) => SessionPair {
  return ({ engine, mosquitto }) => ({ engine: engine.map(change), mosquitto: mosquitto.map(change) });
}

function onDevice(change: ChangeLine): ChangeRecord {
  return (record) => ({ ...record, device: changed(record.device, change) });
}

function onPeer(change: ChangeLine): ChangeRecord {
  return (record) => ({ ...record, peer: changed(record.peer, change) });
}

function changed(lines: readonly string[], change: ChangeLine): string[] {
  return lines.map(change).filter((line) => line !== null);
}

function withoutWillAtConnect(ours: StepRecord, theirs: StepRecord | undefined): StepRecord {
  const isWill = (line: string): boolean => line.startsWith('publish up/will ');
  const isBack = ours.device.includes(OLDER_CLOSED) || ours.device[0] === 'connack';
  if (!isBack || theirs?.peer.some(isWill) === true) return ours;
  return { ...ours, peer: ours.peer.filter((line) => !isWill(line)) };
}

function withoutReleasesAtConnect(ours: StepRecord, theirs: StepRecord | undefined): StepRecord {
  if (ours.device[0]?.startsWith('connack') !== true) return ours;
  const isKept = (line: string): boolean => !/^pubrel \d+$/.test(line) || theirs?.device.includes(line) === true;
  return { ...ours, device: ours.device.filter(isKept) };
}

const UPWARD_QOS2 = /^publish up\/x \S+ qos2/;

/**
 * When a QoS 2 message goes on is not compared, but how often is. What mosquitto never forwarded, because the device
 * never released it, went on once here.
 */
function movedToTheEnd({ engine, mosquitto }: SessionPair): SessionPair {
  const payloads = (records: readonly StepRecord[]): string[] =>
    records.flatMap(({ peer }) =>
      peer.filter((line) => UPWARD_QOS2.test(line)).map((line) => line.split(' ')[2] ?? ''),
    );
  const ours = payloads(engine);
  const theirs = payloads(mosquitto);
  const unreleased = [...new Set(ours)].filter((payload) => !theirs.includes(payload));
  const withoutThem = onPeer((line) => (UPWARD_QOS2.test(line) ? null : line));
  const record = (all: readonly string[]): StepRecord => ({
    step: 'all QoS 2 messages of the device',
    device: [],
    peer: all.toSorted((left, right) => left.localeCompare(right)),
  });
  return {
    engine: [...engine.map(withoutThem), record(ours)],
    mosquitto: [...mosquitto.map(withoutThem), record([...theirs, ...unreleased])],
  };
}
