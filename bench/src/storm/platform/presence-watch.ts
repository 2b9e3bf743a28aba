import type { Installation } from '../../installation.ts';

export interface PresenceWatch {
  /** Ends it; answers for each device how often it went from connected to disconnected. */
  close(): readonly number[];
}

/** Follows the live streams of some twins, as an application does, and counts what they show of the connection. */
export async function presenceWatch(installation: Installation, devices: readonly string[]): Promise<PresenceWatch> {
  const ending = new AbortController();
  const counts = devices.map(() => 0);
  await Promise.all(
    devices.map(async (device, at) => {
      const response = await fetch(`${installation.url}/api/v1/devices/${device}/twin/events`, {
        headers: { authorization: `Bearer ${installation.key}` },
        signal: ending.signal,
      });
      if (response.body === null || !response.ok) throw new Error(`no stream of ${device}: HTTP ${response.status}`);
      void follow(response.body, () => (counts[at] = (counts[at] ?? 0) + 1));
    }),
  );
  return {
    close: () => {
      ending.abort();
      return counts;
    },
  };
}

async function follow(body: ReadableStream<Uint8Array>, disconnected: () => void): Promise<void> {
  let text = '';
  let wasConnected = true;
  try {
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const isConnected = shownConnection(event);
        if (isConnected === null) continue;
        if (wasConnected && !isConnected) disconnected();
        wasConnected = isConnected;
      }
    }
  } catch {
    // The stream was ended by us, or with the platform.
  }
}

/** What one server-sent event says of the connection; null when it says nothing. */
export function shownConnection(event: string): boolean | null {
  const data = event
    .split('\n')
    .find((line) => line.startsWith('data: '))
    ?.slice('data: '.length);
  if (data === undefined) return null;
  const { presence } = JSON.parse(data) as { readonly presence?: { readonly connected: boolean } };
  return presence?.connected ?? null;
}
