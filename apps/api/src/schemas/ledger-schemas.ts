import { CONSUMERS, IMBALANCE_KINDS } from '@breakwater/twin-runtime';
import { z } from 'zod';

const count = z.number().int();
const lane = z.enum(['control', 'telemetry']);
const consumer = z.object({
  position: count.meta({ description: 'The next offset that it takes.' }),
  inFlight: count.meta({ description: 'Appended and not yet taken.' }),
  outcomes: z.record(z.string(), count).meta({ description: 'Exactly one outcome per record.' }),
});

const room = {
  bytes: count.nullable().meta({ description: 'Null where only the engine of the log knows, as with Kafka.' }),
  bytesMax: count.nullable().meta({
    description:
      'Full at so many bytes: then acknowledgements are withheld, and nothing is lost. Null where nothing but the ' +
      "disks and the retention of the log's engine bounds it.",
  }),
  secondsLeft: count.nullable().meta({
    description:
      'Until it is full at the rate of the last seconds if nothing is trimmed: the outage that it still holds. ' +
      'Of a lane, by the partition that is full first. Null while nothing is appended.',
  }),
};

const imbalance = z.object({
  kind: z.enum(IMBALANCE_KINDS),
  consumer: z.enum(CONSUMERS),
  lane,
  partition: count.nullable(),
  tenant: z.string().nullable(),
  records: count.meta({ description: 'Records (rows, of repeated ones) too many, or below 0 too few.' }),
  detail: z.string(),
  since: count.nullable(),
});

export const ledger = z
  .object({
    logId: z.string(),
    lanes: z
      .record(lane, z.object({ appended: count, ...room, consumers: z.record(z.string(), consumer) }))
      .optional()
      .meta({ description: 'For the admin key.' }),
    partitions: z
      .array(
        z.object({
          lane,
          partition: count,
          firstKept: count,
          appended: count,
          ...room,
          consumers: z.record(z.string(), consumer),
        }),
      )
      .optional()
      .meta({ description: 'For the admin key.' }),
    tenants: z
      .array(
        z.object({
          tenant: z.string(),
          lane,
          consumer: z.enum(CONSUMERS),
          records: count,
          outcomes: z.record(z.string(), count),
        }),
      )
      .meta({
        description:
          'What became of the records of each tenant, over all partitions. Beyond 256 tenants of a partition the others ' +
          'stand together as `(others)`; lines that could not be read as `(unreadable)`.',
      }),
    refused: z.array(z.object({ tenant: z.string(), reason: z.string(), count })).meta({
      description:
        'What was turned away before the log, by tenant and reason, over all gateways and restarts: `shed.queue`, ' +
        '`shed.rate`, `shed.notStored` (QoS 0), `connect.<reason code>` (tenant `(unknown)`: nobody was let in).',
    }),
    balanced: z.boolean().meta({ description: 'False while something does not add up, and that lasts.' }),
    imbalances: z.array(imbalance).meta({ description: 'What does not add up; `since` is null until it lasts.' }),
    checkedAt: count.nullable().meta({ description: 'When all of it was last checked (Unix ms).' }),
    degraded: z.array(z.string()).meta({ description: 'Consumers that could not be asked; they are left out.' }),
  })
  .meta({ id: 'Ledger' });
