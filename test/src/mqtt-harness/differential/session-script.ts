import fc from 'fast-check';

/**
 * What a device and an application do in one session, drawn from a seed. A step speaks of "the third message that is
 * open" and not of packet ids: both servers are driven by what they themselves have sent.
 */
export type Step =
  | {
      readonly kind: 'connect';
      readonly clean: boolean;
      readonly keeps: boolean;
      readonly will: 0 | 1 | 2 | null;
      /** The will waits for a while, where MQTT 5 and an expiry session allow it. */
      readonly delaysWill: boolean;
    }
  | { readonly kind: 'disconnect'; readonly how: 'normal' | 'withWill' | 'forget' }
  | { readonly kind: 'drop' }
  | {
      readonly kind: 'publish';
      readonly qos: 0 | 1 | 2;
      readonly packetId: number;
      /** MQTT 5: with a topic alias, and with all properties that a message may have. */
      readonly aliased: boolean;
      readonly rich: boolean;
    }
  | { readonly kind: 'release'; readonly packetId: number }
  | {
      readonly kind: 'receive';
      readonly qos: 0 | 1 | 2;
      readonly topic: Topic;
      readonly count: number;
      readonly expires: boolean;
      readonly rich: boolean;
    }
  | { readonly kind: 'answer'; readonly which: number; readonly how: 'rightly' | 'refusing' | 'wrongly' }
  | { readonly kind: 'answerNothing'; readonly packet: 'puback' | 'pubrec' | 'pubcomp' }
  | { readonly kind: 'subscribe'; readonly filters: readonly { readonly topic: Topic; readonly qos: 0 | 1 | 2 }[] }
  | { readonly kind: 'unsubscribe'; readonly topics: readonly Topic[] }
  | { readonly kind: 'faulty'; readonly fault: FaultyPacket }
  | { readonly kind: 'expire' };

/** Topics to the device. Each matches one filter alone: a copy per filter or one for all is a router's choice. */
const TOPICS = ['a', 'b', 'w/+'] as const;
export type Topic = (typeof TOPICS)[number];

/** Packets that no client may send: the first byte, and in hexadecimal what is before and after MQTT 5's properties. */
export const FAULTY_PACKETS = {
  publishQos3: { first: 0x36, head: '0001610001', tail: '' },
  publishToWildcard: { first: 0x30, head: '00012b', tail: '' },
  publishNotUtf8: { first: 0x30, head: '0002c328', tail: '' },
  publishPacketId0: { first: 0x32, head: '0001610000', tail: '' },
  subscribeWithoutFilter: { first: 0x82, head: '0001', tail: '' },
  subscribeReservedBits: { first: 0x80, head: '0001', tail: '00016100' },
  subscribeQos3: { first: 0x82, head: '0001', tail: '00016103' },
  subscribeToBadFilter: { first: 0x82, head: '0001', tail: '0005612f232f6200' },
  unsubscribeWithoutFilter: { first: 0xa2, head: '0001', tail: '' },
  pubrelReservedBits: { first: 0x60, head: '0001', tail: null },
  connack: { first: 0x20, head: '0000', tail: null },
  typeZero: { first: 0x00, head: '', tail: null },
} as const;
export type FaultyPacket = keyof typeof FAULTY_PACKETS;

export interface SessionScript {
  readonly version: 3 | 4 | 5;
  readonly steps: readonly Step[];
}

/** One seed in so many waits for messages and sessions to run out, which takes seconds. */
const EXPIRY_EVERY = 50;
const STEPS_MIN = 4;
const STEPS_MAX = 30;
/** Few, so that ids are used again. */
const PACKET_ID_MAX = 2;
/** Expiry sessions wait, so that they hold on to their place for long. */
const EXPIRIES_MAX = 2;

const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
/** QoS 2 has the most states to be in. */
const upwardQos = fc.constantFrom(0 as const, 1 as const, 2 as const, 2 as const, 2 as const);
const topic = fc.constantFrom(...TOPICS);
const packetId = fc.integer({ min: 1, max: PACKET_ID_MAX });
const oneIn = (count: number): fc.Arbitrary<boolean> => fc.integer({ min: 1, max: count }).map((roll) => roll === 1);
const kind = <Kind extends Step['kind']>(name: Kind): fc.Arbitrary<Kind> => fc.constant(name);

const connect = fc.record({
  kind: kind('connect'),
  clean: oneIn(5),
  keeps: oneIn(5).map((forgets) => !forgets),
  will: fc.option(qos, { freq: 3 }),
  delaysWill: fc.boolean(),
});
const answer = fc.record({
  kind: kind('answer'),
  which: fc.nat({ max: 5 }),
  how: fc.nat({ max: 11 }).map((roll) => (roll === 0 ? 'wrongly' : roll === 1 ? 'refusing' : 'rightly')),
});
const subscribe = fc.record({
  kind: kind('subscribe'),
  filters: fc.uniqueArray(fc.record({ topic, qos }), { minLength: 1, maxLength: 3, selector: (one) => one.topic }),
});

function stepArbitrary(expires: boolean): fc.Arbitrary<Step> {
  return fc.oneof(
    { weight: 5, arbitrary: connect },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: kind('disconnect'),
        how: fc.constantFrom('normal' as const, 'normal' as const, 'withWill' as const, 'forget' as const),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: kind('drop') }) },
    {
      weight: 7,
      arbitrary: fc.record({ kind: kind('publish'), qos: upwardQos, packetId, aliased: oneIn(3), rich: oneIn(3) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: kind('release'), packetId }) },
    {
      weight: 7,
      arbitrary: fc.record({
        kind: kind('receive'),
        qos,
        topic,
        count: fc.integer({ min: 1, max: 3 }),
        expires: expires ? fc.boolean() : fc.constant(false),
        rich: oneIn(3),
      }),
    },
    { weight: 7, arbitrary: answer },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: kind('answerNothing'),
        packet: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubcomp' as const),
      }),
    },
    { weight: 4, arbitrary: subscribe },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: kind('unsubscribe'),
        topics: fc.uniqueArray(topic, { minLength: 1, maxLength: 2 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: kind('faulty'),
        fault: fc.constantFrom(...(Object.keys(FAULTY_PACKETS) as FaultyPacket[])),
      }),
    },
    ...(expires ? [{ weight: 2, arbitrary: fc.record({ kind: kind('expire') }) }] : []),
  );
}

export function playsExpiry(seed: number): boolean {
  return seed % EXPIRY_EVERY === 0;
}

/** `expires`: the script waits for messages and sessions to run out, which takes seconds of real time. */
export function scriptArbitrary(expires: boolean): fc.Arbitrary<SessionScript> {
  const steps = fc.array(stepArbitrary(expires), { minLength: STEPS_MIN, maxLength: STEPS_MAX, size: 'max' });
  return fc.noBias(
    fc
      .record({
        version: fc.constantFrom(3 as const, 4 as const, 4 as const, 5 as const, 5 as const, 5 as const),
        steps: steps.map((all) => (expires ? withExpiries(begun(all)) : begun(all))),
      })
      .map(playable),
  );
}

/** Without what is left out, see `known-differences.ts`. */
function playable(script: SessionScript): SessionScript {
  if (script.version !== 3) return script;
  return { ...script, steps: script.steps.filter((step) => step.kind !== 'faulty') };
}

/** Without a connection at the start there is little to see. */
function begun(steps: readonly Step[]): readonly Step[] {
  return [
    { kind: 'connect', clean: false, keeps: true, will: null, delaysWill: false },
    { kind: 'subscribe', filters: [{ topic: 'a', qos: 2 }] },
    ...steps,
  ];
}

/** At the end what the device left alone has expired. */
function withExpiries(steps: readonly Step[]): readonly Step[] {
  let expiries = 0;
  return [
    ...steps.filter((step) => step.kind !== 'expire' || ++expiries < EXPIRIES_MAX),
    { kind: 'drop' },
    { kind: 'expire' },
  ];
}
