import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { TemporalProbe } from '@breakwater/adapter-temporal';

let server: Http2Server | undefined;
const sessions = new Set<ServerHttp2Session>();

afterEach(async () => {
  for (const session of sessions) session.destroy();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
});

/** A frontend that answers as told. */
async function frontend(answer: (stream: ServerHttp2Stream) => void): Promise<string> {
  server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    answer(stream);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As gRPC does it: the status comes after the body. */
function withTrailers(stream: ServerHttp2Stream, status: string): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(Buffer.from([0, 0, 0, 0, 0]));
}

function trouble(address: string, timeoutMs = 20_000): Promise<string | null> {
  return new TemporalProbe({ address, namespace: 'fleet', tls: false, timeoutMs }).trouble();
}

describe('the probe of Temporal', () => {
  it('finds nothing wrong with a frontend that knows the namespace', async () => {
    let asked = '';
    const address = await frontend((stream) => {
      stream.on('data', (chunk: Buffer) => (asked += chunk.toString('latin1')));
      stream.on('end', () => withTrailers(stream, '0'));
    });
    expect(await trouble(address)).toBeNull();
    expect(asked).toContain('fleet');
  });

  it('says that the namespace is not there', async () => {
    const address = await frontend((stream) =>
      stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true }),
    );
    expect(await trouble(address)).toBe('it has no namespace fleet');
  });

  it('says what else the frontend answers', async () => {
    expect(await trouble(await frontend((stream) => withTrailers(stream, '14')))).toBe(
      'it answers with gRPC status 14',
    );
  });

  it('is not taken in by another HTTP/2 server', async () => {
    const address = await frontend((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('hello');
    });
    expect(await trouble(address)).toBe('what answers is not Temporal');
  });

  it('says that nobody is there', async () => {
    const gone = createTcpServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    expect(await trouble(`127.0.0.1:${port}`)).toBe('it cannot be reached (ECONNREFUSED)');
  });

  it('does not wait for one that accepts and stays silent', async () => {
    const address = await frontend(() => undefined);
    expect(await trouble(address, 100)).toBe('no answer within 100 ms');
  });

  it('takes an address that is none as one that cannot be reached', async () => {
    expect(await trouble('not an address')).toMatch(/^it cannot be reached/);
  });
});
