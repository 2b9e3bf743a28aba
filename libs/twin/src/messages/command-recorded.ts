import { type Decide, NOTHING_TO_DO } from '../decision.ts';

/** The twin's own words on their way to the history: nothing new to it. */
export const decideCommandRecorded: Decide<'commandRecorded'> = () => NOTHING_TO_DO;
