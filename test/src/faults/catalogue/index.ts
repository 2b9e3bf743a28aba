import type { FaultCase } from '../fault-case.ts';
import { ENDED_PARTS } from './ended-parts.ts';
import { LOST_BROKERS } from './lost-brokers.ts';
import { MOVED_SHARDS } from './moved-shards.ts';
import { SPOILT_LINKS } from './spoilt-links.ts';
import { SPOILT_MACHINE } from './spoilt-machine.ts';
import { SPOILT_STORES } from './spoilt-stores.ts';

/** Every fault under load. Those that need the same platform follow each other and share it. */
export const FAULT_CATALOGUE: readonly FaultCase[] = [
  ...ENDED_PARTS,
  ...LOST_BROKERS,
  ...SPOILT_MACHINE,
  ...MOVED_SHARDS,
  ...SPOILT_LINKS,
  ...SPOILT_STORES,
];
