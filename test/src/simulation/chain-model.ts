import { createHash } from 'node:crypto';

import type { TwinState } from '@breakwater/twin';
import { type TwinModel, twinModel } from '@breakwater/twin-runtime';

/** Name of an event whose handling throws. */
export const THROWING_EVENT = 'throw';
/** Name of an event that ends the process which handles it. */
export const KILLING_EVENT = 'kill';

type ChainedState = TwinState & { readonly chain?: string };

const SEPARATOR = '#';

/**
 * The real twin with a chain over the places of all records that were applied to it. Most messages can be applied
 * twice, or left out, without a trace in the twin itself; none can without a trace in the chain.
 */
export function chainModel(onKill: () => void): TwinModel {
  return {
    ...explosiveModel(onKill),
    applyMessage: (state, message, context) => {
      const applied = explosiveModel(onKill).applyMessage(state, message, context);
      const before = (state as ChainedState).chain ?? '';
      const chain = createHash('md5').update(`${before}>${context.lane}:${context.offset}`).digest('base64');
      return { ...applied, state: { ...applied.state, chain } as TwinState };
    },
    // In the last line, so that a measurement, which writes that line alone, leaves its trace too.
    serializeTwin: (state) => `${twinModel.serializeTwin(state)}${linkOf(state)}`,
    serializeTelemetry: (state) => `${twinModel.serializeTelemetry(state)}${linkOf(state)}`,
    parseTwin: (text) => {
      const end = text.lastIndexOf(SEPARATOR);
      return { ...twinModel.parseTwin(text.slice(0, end)), chain: text.slice(end + 1) } as TwinState;
    },
  };
}

function linkOf(state: TwinState): string {
  return `${SEPARATOR}${(state as ChainedState).chain ?? ''}`;
}

/** The real twin, with two messages that no twin survives. */
export function explosiveModel(onKill: () => void): TwinModel {
  return {
    ...twinModel,
    applyMessage: (state, message, context) => {
      if (message.kind === 'event' && message.name === KILLING_EVENT) {
        onKill();
        throw new Error('this process is dead');
      }
      if (message.kind === 'event' && message.name === THROWING_EVENT) throw new Error('no twin can bear this');
      return twinModel.applyMessage(state, message, context);
    },
  };
}
