import { type Packet, parser as createParser } from 'mqtt-packet';
import type { ProtocolVersion, Transport } from '../endpoint-host.ts';

/** A transport whose other end is the test: what was written, in which pieces, and whether it is open. */
export class MemoryTransport implements Transport {
  readonly remoteAddress = '127.0.0.1';
  readonly writes: Buffer[] = [];
  state: 'open' | 'ended' | 'destroyed' = 'open';
  isPaused = false;
  /** The peer does not read: writes pile up and answer false. */
  isStuck = false;
  #queued = 0;

  write(bytes: Uint8Array): boolean {
    if (this.state !== 'open') throw new Error('written after the end');
    this.writes.push(Buffer.from(bytes));
    if (this.isStuck) this.#queued += bytes.length;
    return !this.isStuck;
  }

  bytesQueued(): number {
    if (!this.isStuck) this.#queued = 0;
    return this.#queued;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.state = 'ended';
  }

  destroy(): void {
    this.state = 'destroyed';
  }

  /** The packets written so far, as a client of that version reads them. */
  packets(version: ProtocolVersion): Packet[] {
    const packets: Packet[] = [];
    const parser = createParser({ protocolVersion: version });
    parser.on('packet', (packet) => packets.push(packet));
    parser.on('error', (error) => {
      throw error;
    });
    parser.parse(Buffer.concat(this.writes));
    return packets;
  }
}
