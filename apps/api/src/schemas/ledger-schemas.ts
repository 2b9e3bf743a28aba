import { z } from 'zod';

const count = z.number().int();
const consumer = z.object({
  position: count.meta({ description: 'The next offset that it takes.' }),
  inFlight: count.meta({ description: 'Appended and not yet taken.' }),
  outcomes: z.record(z.string(), count).meta({ description: 'Exactly one outcome per record.' }),
});

const room = {
  bytes: count,
  bytesMax: count.meta({
    description: 'Full at so many bytes: then acknowledgements are withheld, and nothing is lost.',
  }),
  secondsLeft: count.nullable().meta({
    description:
      'Until it is full at the rate of the last seconds if nothing is trimmed: the outage that it still holds. ' +
      'Of a lane, by the partition that is full first. Null while nothing is appended.',
  }),
};

export const ledger = z
  .object({
    logId: z.string(),
    lanes: z.record(
      z.enum(['control', 'telemetry']),
      z.object({ appended: count, ...room, consumers: z.record(z.string(), consumer) }),
    ),
    partitions: z.array(
      z.object({
        lane: z.enum(['control', 'telemetry']),
        partition: count,
        firstKept: count,
        appended: count,
        ...room,
        consumers: z.record(z.string(), consumer),
      }),
    ),
    degraded: z.array(z.string()).meta({ description: 'Consumers that could not be asked; they are left out.' }),
  })
  .meta({ id: 'Ledger' });
