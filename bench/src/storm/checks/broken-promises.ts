import type { RowAudit } from './row-audit.ts';
import type { TwinAudit } from './twin-audit.ts';

/** What is known when a load is over and everything has come to rest. */
export interface Aftermath {
  /** Events that were sent and never acknowledged, though there was time. */
  readonly unacknowledged: number;
  /** Connections that the platform closed, or that broke. */
  readonly connectionsLost: number;
  /** PUBACKs that came out of order. */
  readonly disordered: number;
  readonly rows: RowAudit;
  readonly twins: TwinAudit;
  readonly ledgerImbalances: readonly string[];
  /** Processes that took more memory than they may. */
  readonly overCap: readonly string[];
  /** Processes that ended during the load. */
  readonly ended: readonly string[];
  /** Of the whole platform: messages that were shed, by class. */
  readonly shed: number;
}

/** A sentence for every promise that was not kept; none is the only good result. Speed is no promise. */
export function brokenPromises(part: string, after: Aftermath): readonly string[] {
  const { rows, twins } = after;
  const counts: readonly (readonly [number, string])[] = [
    [rows.lost, 'acknowledged events are not stored'],
    [rows.duplicated, 'events are stored more than once'],
    [rows.foreign, 'stored events were never sent'],
    [rows.incomplete, 'devices have events without all their rows'],
    [rows.wrongRollups, 'rollups differ from their rows'],
    [twins.wrongTwins, 'twins do not hold their last acknowledged event'],
    [twins.falselyDisconnected, 'connected devices are shown as disconnected'],
    [after.unacknowledged, 'events were never acknowledged'],
    [after.disordered, 'acknowledgements came out of order'],
    [after.connectionsLost, 'connections were closed'],
    [after.shed, 'messages were shed, and all were of QoS 1'],
  ];
  const broken = counts.filter(([count]) => count > 0).map(([count, what]) => `${part}: ${count} ${what}`);
  const listed = [...after.ledgerImbalances, ...after.overCap, ...after.ended.map((name) => `${name} ended`)];
  return [...broken, ...listed.map((what) => `${part}: ${what}`)];
}
