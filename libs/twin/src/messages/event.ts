import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** Discrete events are kept by the telemetry writer; a twin has nothing to remember of them. */
export const decideEvent: Decide<'event'> = () => NOTHING_TO_DO;
