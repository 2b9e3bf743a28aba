import { join } from 'node:path';

import { readIfPresent, writeAtomically } from '../data-folder.ts';

const FIRST_DEVICE_ID = 'first-device';
const ANSWER_TIMEOUT_MS = 5_000;
const HTTP_CREATED = 201;

export interface FirstDevice {
  readonly id: string;
  readonly token: string;
}

/**
 * A device to try things with, so that the printed lines work as they are. It is made on the first run only: one that
 * its owner deleted is not made again. Without an answer from the API the banner shows how to make one instead.
 */
export async function firstDevice(options: {
  readonly dataFolder: string;
  readonly httpPort: number;
  readonly adminKey: string;
}): Promise<FirstDevice | undefined> {
  const path = join(options.dataFolder, 'first-device.json');
  const known = readIfPresent(path);
  if (known !== undefined) return parseDevice(known);
  const device = await createDevice(options.httpPort, options.adminKey);
  if (device !== undefined) writeAtomically(path, `${JSON.stringify(device)}\n`);
  return device;
}

async function createDevice(httpPort: number, adminKey: string): Promise<FirstDevice | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/devices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id: FIRST_DEVICE_ID }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    return response.status === HTTP_CREATED ? parseDevice(await response.text()) : undefined;
  } catch {
    // The platform runs without it.
    return undefined;
  }
}

function parseDevice(text: string): FirstDevice | undefined {
  const { id, token } = JSON.parse(text) as Partial<FirstDevice>;
  return typeof id === 'string' && typeof token === 'string' ? { id, token } : undefined;
}
