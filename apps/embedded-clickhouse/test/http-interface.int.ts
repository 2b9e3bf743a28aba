import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';

import { EmbeddedProcess } from '@breakwater/adapter-clickhouse/testing';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

const TIMEOUT_MS = 120_000;
const ONE_BLOCK =
  'max_block_size=4194304&max_insert_block_size=4194304' +
  '&input_format_parallel_parsing=0&input_format_skip_unknown_fields=1';

describe("ClickHouse's HTTP interface, embedded", () => {
  let embedded: EmbeddedProcess;

  beforeAll(async () => {
    embedded = await EmbeddedProcess.start({
      EMBEDDED_CLICKHOUSE_BODY_BYTES: String(1024 * 1024),
      EMBEDDED_CLICKHOUSE_QUEUE: '20',
      EMBEDDED_CLICKHOUSE_READ_TIMEOUT_MS: '1500',
      EMBEDDED_CLICKHOUSE_RESULT_BYTES: String(1024 * 1024),
    });
    await post('CREATE DATABASE good');
    await post('CREATE TABLE good.rows (n UInt64, s String) ENGINE = MergeTree ORDER BY n');
  }, TIMEOUT_MS);

  afterAll(async () => embedded.remove());

  const post = (body: string | Uint8Array, path = '/', headers: Record<string, string> = {}) =>
    fetch(embedded.url + path, { method: 'POST', body: body as string, headers });
  const textOf = async (sql: string) => (await post(sql)).text();
  const count = async () => Number(await textOf('SELECT count() FROM good.rows'));

  // The nice value of a thread is the 19th field of its stat; its name may have spaces and ends with the last bracket.
  (process.platform === 'linux' ? it : it.skip)('lets merges stand back behind inserts', async () => {
    const niceOf = (thread: string): [string, number] => {
      const file = `/proc/${embedded.pid}/task/${thread}/stat`;
      // Some threads end while they are looked at.
      const stat = existsSync(file) ? readFileSync(file, 'utf8') : '';
      const end = stat.lastIndexOf(')');
      return [stat.slice(stat.indexOf('(') + 1, end), Number(stat.slice(end + 2).split(' ')[16])];
    };
    const nice = (wanted: string): number[] =>
      readdirSync(`/proc/${embedded.pid}/task`)
        .map(niceOf)
        .filter(([name]) => name === wanted)
        .map(([, value]) => value);
    const deadline = Date.now() + TIMEOUT_MS;
    while (!nice('MergeMutate').includes(19) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(nice('MergeMutate')).toEqual([19, 19]);
    expect(new Set(nice('ThreadPool'))).toEqual(new Set([10]));
  });

  it('answers pings, tools and the official client', async () => {
    expect(await (await fetch(`${embedded.url}/ping`)).text()).toBe('Ok.\n');
    expect((await fetch(`${embedded.url}/replicas_status`)).status).toBe(200);
    expect(await (await fetch(`${embedded.url}/?query=${encodeURIComponent('SELECT 1 + 1')}`)).text()).toBe('2\n');
    const client = createClient({ url: embedded.url, compression: { request: true, response: true } });
    await client.insert({ table: 'good.rows', values: [{ n: 1, s: "it's ü\n\\" }], format: 'JSONEachRow' });
    const result = await client.query({
      query: 'SELECT s, {p:String} AS p, {l:Array(String)} AS l FROM good.rows WHERE n = {n:UInt64}',
      query_params: { n: 1, p: "a'b\\c\n", l: ["x'", '\\'] },
      format: 'JSONEachRow',
    });
    expect(await result.json()).toEqual([{ s: "it's ü\n\\", p: "a'b\\c\n", l: ["x'", '\\'] }]);
    await client.close();
  });

  it.each([
    ['SELECT * FROM good.nothing', 404, 60, 'UNKNOWN_TABLE'],
    ['SELECT * FROM nowhere.rows', 404, 81, 'UNKNOWN_DATABASE'],
    ['SELECT FROM WHERE', 400, 62, 'SYNTAX_ERROR'],
    ['', 400, 62, 'SYNTAX_ERROR'],
    ['SELECT 1 SETTINGS no_such_setting = 1', 404, 115, 'UNKNOWN_SETTING'],
    ['SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_block_size = 1', 500, 159, 'TIMEOUT_EXCEEDED'],
    ['SELECT repeat(toString(number), 100) FROM numbers(1000000)', 500, 396, 'TOO_MANY_ROWS_OR_BYTES'],
  ])('answers %j with its status and code', async (statement, status, code, name) => {
    const answer = await post(statement);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-clickhouse-exception-code')).toBe(String(code));
    expect(await answer.text()).toMatch(new RegExp(`^Code: ${code}\\. DB::Exception: .*\\(${name}\\)\n$`, 's'));
  });

  it('keeps a setting, a parameter and a database to its own request', async () => {
    const query = encodeURIComponent("SELECT getSetting('max_block_size'), currentDatabase(), {p:String}");
    const answer = await fetch(`${embedded.url}/?query=${query}&max_block_size=77&database=good&param_p=x`);
    expect(await answer.text()).toBe('77\tgood\tx\n');
    expect(await textOf("SELECT getSetting('max_block_size') = 77, currentDatabase()")).toBe('0\tdefault\n');
  });

  it('takes compressed and binary bodies, and compresses answers', async () => {
    const rows = gzipSync('{"n":70,"s":"zip"}\n');
    await post(rows, `/?query=${encodeURIComponent('INSERT INTO good.rows FORMAT JSONEachRow')}`, {
      'content-encoding': 'gzip',
    });
    const binary = Buffer.from([71, 0, 0, 0, 0, 0, 0, 0, 3, 0x61, 0x00, 0x0a]);
    await post(binary, `/?query=${encodeURIComponent('INSERT INTO good.rows FORMAT RowBinary')}`);
    expect(await textOf('SELECT n, hex(s) FROM good.rows WHERE n >= 70 AND n < 80 ORDER BY n')).toBe(
      '70\t7A6970\n71\t61000A\n',
    );
    const zipped = await rawGet(`/?query=SELECT%20%27zip%27&enable_http_compression=1`, 'Accept-Encoding: gzip');
    expect(gunzipSync(zipped).toString()).toBe('zip\n');
    const bad = await post('no gzip', '/', { 'content-encoding': 'gzip' });
    expect(bad.status).toBe(400);
  });

  it('takes a large body as one block, under the same token as inline, and nothing of one that is wrong', async () => {
    const token = (body: string, columns: string) => {
      const insert = encodeURIComponent(`INSERT INTO good.once ${columns} FORMAT JSONEachRow`);
      return post(body, `/?query=${insert}&insert_deduplication_token=large&${ONE_BLOCK}`);
    };
    await post(`CREATE TABLE good.once (n UInt64, s String) ENGINE = MergeTree ORDER BY n
      SETTINGS non_replicated_deduplication_window = 100`);
    const lines = Array.from({ length: 9_000 }, (_, n) => `{"n":${n},"s":"${'ü'.repeat(25)}","unknown":[1]}\n`);
    const wrong = await token(`${lines.join('')}{"n":"no number"}\n`, '');
    expect([wrong.status, wrong.headers.get('x-clickhouse-exception-code')]).toEqual([400, '27']);
    expect(await textOf('SELECT count() FROM good.once')).toBe('0\n');
    // A statement with a comment is no plain one: its rows go the other way, in one text with it.
    for (const columns of ['', '(n, s)', '/* inline */', '']) {
      expect((await token(lines.join(''), columns)).status).toBe(200);
      expect(await textOf('SELECT count(), sum(n), min(length(s)) FROM good.once')).toBe('9000\t40495500\t50\n');
      expect(await textOf("SELECT count() FROM system.parts WHERE table = 'once'")).toBe('1\n');
    }
    // Nothing of a longer body stays behind a shorter one.
    const shorter = encodeURIComponent('INSERT INTO good.once FORMAT JSONEachRow');
    expect((await post(lines.slice(0, 100).join(''), `/?query=${shorter}&${ONE_BLOCK}`)).status).toBe(200);
    expect(await textOf('SELECT count() FROM good.once')).toBe('9100\n');
  });

  it('answers pings and takes inserts while a read is slow', async () => {
    const before = await count();
    const slow = post('SELECT sleepEachRow(0.4) FROM numbers(3) SETTINGS max_block_size = 1');
    const startMs = performance.now();
    expect((await fetch(`${embedded.url}/ping`)).status).toBe(200);
    expect((await post("INSERT INTO good.rows VALUES (100, '')")).status).toBe(200);
    const insertMs = performance.now() - startMs;
    await slow;
    expect(performance.now() - startMs).toBeGreaterThan(insertMs);
    expect(await count()).toBe(before + 1);
  });

  it(
    'refuses what is too many with 503, and loses none that it took',
    async () => {
      await post('CREATE TABLE good.ordered (n UInt64, at DateTime64(9)) ENGINE = MergeTree ORDER BY tuple()');
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, n) => post(`INSERT INTO good.ordered SELECT ${n}, now64(9)`)),
      );
      const taken = answers.filter(({ status }) => status === 200).length;
      const refused = answers.filter(({ status }) => status === 503);
      expect(taken + refused.length).toBe(60);
      expect(refused.length).toBeGreaterThan(0);
      expect(await refused[0]?.text()).toMatch(/^Code: 202\. .*TOO_MANY_SIMULTANEOUS_QUERIES/);
      expect(Number(await textOf('SELECT count() FROM good.ordered'))).toBe(taken);
    },
    TIMEOUT_MS,
  );

  it(
    'keeps what it acknowledged over a kill',
    async () => {
      const before = await count();
      for (let n = 0; n < 20; n += 1)
        expect((await post(`INSERT INTO good.rows VALUES (${200 + n}, 'kept')`)).status).toBe(200);
      await embedded.kill('SIGKILL');
      await embedded.startAgain();
      expect(await count()).toBe(before + 20);
    },
    TIMEOUT_MS,
  );

  it('refuses web pages, sessions and bodies that are too large', async () => {
    expect((await post('SELECT 1', '/', { origin: 'http://evil.example' })).status).toBe(403);
    expect((await post('SELECT 1', '/?session_id=x')).status).toBe(501);
    expect((await post('x'.repeat(2 * 1024 * 1024))).status).toBe(413);
    const bomb = await post(gzipSync(Buffer.alloc(64 * 1024 * 1024)), '/', { 'content-encoding': 'gzip' });
    expect(bomb.status).toBe(413);
  });

  it(
    'survives any request, and good inserts before and after succeed',
    async () => {
      const before = await count();
      let inserted = 0;
      const anyRequest = fc.record({
        method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS'),
        path: fc.oneof(fc.webPath(), fc.constant('/')),
        query: fc.oneof(
          fc.webQueryParameters(),
          fc
            .dictionary(
              fc.constantFrom('query', 'database', 'param_x', 'query_id', 'default_format', 'max_threads', 'compress'),
              fc.string({ unit: 'binary' }),
            )
            .map((entries) => new URLSearchParams(entries).toString()),
        ),
        body: fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc
            .tuple(
              fc.constantFrom(
                'SELECT ',
                'INSERT INTO good.rows FORMAT ',
                'INSERT INTO good.rows VALUES ',
                'SET ',
                '/* ',
                'WITH ',
              ),
              fc.string({ unit: 'binary' }),
            )
            .map(([start, rest]) => Buffer.from(start + rest)),
        ),
        encoding: fc.constantFrom('', 'gzip', 'deflate', 'br'),
      });
      await fc.assert(
        fc.asyncProperty(anyRequest, async ({ method, path, query, body, encoding }) => {
          const answer = await fetch(`${embedded.url}${path}?${query}`, {
            method,
            ...(method === 'GET' || method === 'HEAD' ? {} : { body: body as unknown as string }),
            headers: encoding === '' ? {} : { 'content-encoding': encoding },
            signal: AbortSignal.timeout(10_000),
          });
          expect(answer.status).toBeGreaterThanOrEqual(200);
          await answer.arrayBuffer();
          inserted += 1;
          expect((await post(`INSERT INTO good.rows VALUES (${1_000 + inserted}, 'good')`)).status).toBe(200);
        }),
        { numRuns: 150 },
      );
      expect(Number(await textOf("SELECT count() FROM good.rows WHERE s = 'good'"))).toBe(inserted);
      expect(await count()).toBeGreaterThanOrEqual(before + inserted);
    },
    TIMEOUT_MS,
  );

  it(
    'survives bytes that are no HTTP, and clients that go away',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.boolean(), async (bytes, http) => {
          await new Promise<void>((resolve) => {
            const socket = connect(embedded.port, '127.0.0.1');
            socket.on('error', () => undefined);
            socket.on('close', () => resolve());
            socket.setTimeout(200, () => socket.destroy());
            const head =
              'POST /?query=INSERT%20INTO%20good.rows%20FORMAT%20CSV HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n';
            if (http) socket.write(head);
            socket.end(bytes);
          });
        }),
        { numRuns: 20 },
      );
      expect((await fetch(`${embedded.url}/ping`)).status).toBe(200);
      expect((await post("INSERT INTO good.rows VALUES (9999, 'last')")).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  /** `fetch` decompresses by itself; this shows the bytes as they came. */
  function rawGet(path: string, header: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const socket = connect(embedded.port, '127.0.0.1');
      const chunks: Buffer[] = [];
      socket.on('error', reject);
      socket.on('data', (bytes) => chunks.push(bytes));
      socket.on('end', () => {
        const all = Buffer.concat(chunks);
        resolve(all.subarray(all.indexOf('\r\n\r\n') + 4));
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${header}\r\nConnection: close\r\n\r\n`);
    });
  }
});
