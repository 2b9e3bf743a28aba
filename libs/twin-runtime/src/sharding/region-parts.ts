import type { Clock, Random } from '../ports/clock.ts';
import type { EffectDispatcher } from '../ports/effect-dispatcher.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { OperationAnswers } from '../ports/operation-answers.ts';
import type { PartitionMembership } from '../ports/partition-membership.ts';
import type { RecordAppender } from '../ports/record-appender.ts';
import type { RecordDecoder } from '../ports/record-decoder.ts';
import type { TwinStore } from '../ports/twin-store.ts';
import type { RegionObserver } from '../region-observer.ts';
import type { RuntimeLimits } from '../runtime-limits.ts';
import type { TwinModel } from '../twin-model.ts';
import type { TwinCache } from './twin-cache.ts';

/** Everything that a shard region works with. */
export interface RegionParts {
  /** One life of one worker process; never used twice. */
  readonly memberId: string;
  readonly log: EventLog;
  readonly store: TwinStore;
  readonly membership: PartitionMembership;
  readonly effects: EffectDispatcher;
  /** Where due timers enter the log. */
  readonly input: RecordAppender;
  /** Tells whoever waits for an API write; left out, they look it up in the twin. */
  readonly answers: Pick<OperationAnswers, 'publish'> | null;
  readonly decode: RecordDecoder;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: RuntimeLimits;
  readonly observer: RegionObserver;
  readonly model: TwinModel;
  readonly cache: TwinCache;
}
