import type { Shard } from './shard.ts';

type Waiting = { readonly mailboxes: { readonly control: Pick<Shard['mailboxes']['control'], 'isEmpty'> } };

/**
 * In which order shards take what one batch may hold: those with control mail before the others, so that it never waits
 * for the telemetry of other shards, and in each group by turns.
 *
 * @param turn one more each time
 */
export function controlFirst<Each extends Waiting>(shards: readonly Each[], turn: number): readonly Each[] {
  const start = shards.length === 0 ? 0 : turn % shards.length;
  const inTurn = [...shards.slice(start), ...shards.slice(0, start)];
  const hasControl = ({ mailboxes }: Each): boolean => !mailboxes.control.isEmpty;
  return [...inTurn.filter(hasControl), ...inTurn.filter((shard) => !hasControl(shard))];
}
