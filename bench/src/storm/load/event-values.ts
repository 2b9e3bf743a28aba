/** Sequence numbers begin here and so always have seven digits: every event of a storm has the same length. */
export const FIRST_SEQ = 1_000_000;
export const SEQ_MAX = 9_999_999;
/** Values, and so rows, of one event. */
export const VALUES_PER_EVENT = 5;

/** Even, so that the parity of a sequence number is that of its place in the wave. */
const WAVE_LENGTH = 314;
const GROUP_DISTANCE = 50;

interface WavePoint {
  readonly t: number;
  readonly h: number;
  readonly v: number;
  readonly on: number;
  /** How the four stand in the payload, always equally long. */
  readonly text: string;
}

const WAVE: readonly WavePoint[] = Array.from({ length: WAVE_LENGTH }, (_, at) => {
  const height = Math.sin(at / 50);
  const [t, h, v] = [(20 + 5 * height).toFixed(1), (50 - 9 * height).toFixed(1), (3.6 + height / 10).toFixed(2)];
  const on = at % 2;
  return { t: Number(t), h: Number(h), v: Number(v), on, text: `"t":${t},"h":${h},"v":${v},"on":${on}` };
});

/** The event's values as a twin shows them: a function of the sequence number, so that nothing has to be remembered. */
export function valuesOfEvent(seq: number): Readonly<Record<string, number>> {
  const { t, h, v, on } = WAVE[seq % WAVE_LENGTH] as WavePoint;
  return { seq, t, h, v, on };
}

/** Values of an event with so many groups of the four, beside its number. */
export function valuesPerEventOf(groups: number): number {
  return 1 + groups * (VALUES_PER_EVENT - 1);
}

/**
 * `"t":…,"h":…,"v":…,"on":…` by place in the wave. Further groups, for larger payloads, have the same values under
 * other names, from further on in the wave.
 */
export function waveTexts(groups: number): readonly string[] {
  return WAVE.map((_, at) =>
    Array.from({ length: groups }, (__, group) => {
      const { text } = WAVE[(at + group * GROUP_DISTANCE) % WAVE_LENGTH] as WavePoint;
      return group === 0 ? text : text.replaceAll(/"(\w+)"/g, `"$1${group}"`);
    }).join(','),
  );
}
