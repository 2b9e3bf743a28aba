/** One entry of the list: a fault under load, or a suite with a judge of its own. */
export interface ListedFault {
  readonly name: string;
  /** About how long it takes, so that shards take equally long. */
  readonly seconds: number;
}

export interface Choice {
  readonly only?: readonly string[] | undefined;
  /** `2/3` is the second of three stretches. */
  readonly shard?: string | undefined;
}

/** Names of the chosen faults, in the order of the list. */
export function chooseFaults(list: readonly ListedFault[], { only, shard }: Choice): readonly string[] {
  const unknown = (only ?? []).filter((name) => !list.some((listed) => listed.name === name));
  if (unknown.length > 0) throw new Error(`there is no fault ${unknown.join(', ')}: see -- --list`);
  const wanted = list.filter(({ name }) => only?.includes(name) ?? true);
  return (shard === undefined ? wanted : stretchOf(wanted, shard)).map(({ name }) => name);
}

/** Neighbours share a platform, so each shard is one stretch of the list; a fault belongs to where its middle lies. */
function stretchOf(list: readonly ListedFault[], shard: string): readonly ListedFault[] {
  const match = /^(\d+)\/(\d+)$/.exec(shard);
  const [number, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || number < 1 || number > count) throw new Error(`--shard needs i/n with 1 <= i <= n`);
  const sum = list.reduce((total, { seconds }) => total + seconds, 0);
  let before = 0;
  return list.filter(({ seconds }) => {
    const middle = before + seconds / 2;
    before += seconds;
    return Math.min(count - 1, Math.floor((middle * count) / sum)) === number - 1;
  });
}
