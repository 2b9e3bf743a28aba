import { request } from 'node:https';

interface Options {
  readonly url: string;
  readonly token: string;
  /** The certificate that the server made for itself; it is there once the server is up. */
  readonly authority: () => string;
}

const REQUEST_MS_MAX = 30_000;
const JSON_TYPE = 'application/json';

/** An answer of the API server that is not a success. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The few requests to an API server that the tests make besides Helm's. */
export class KubernetesApi {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  get<Body>(path: string): Promise<Body> {
    return this.#ask<Body>('GET', path);
  }

  async list<Item>(path: string): Promise<readonly Item[]> {
    return (await this.get<{ readonly items: readonly Item[] }>(path)).items;
  }

  create(path: string, body: object): Promise<unknown> {
    return this.#ask('POST', path, { type: JSON_TYPE, text: JSON.stringify(body) });
  }

  patch(path: string, body: object): Promise<unknown> {
    return this.#ask('PATCH', path, { type: 'application/merge-patch+json', text: JSON.stringify(body) });
  }

  #ask<Body>(method: string, path: string, body?: { readonly type: string; readonly text: string }): Promise<Body> {
    const { url, token, authority } = this.#options;
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': body.type }) };
    return new Promise<Body>((resolve, reject) => {
      const options = { method, headers, ca: authority(), timeout: REQUEST_MS_MAX, agent: false } as const;
      const sent = request(`${url}${path}`, options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status >= 300) reject(new Refused(status, `${method} ${path}: ${status} ${text}`));
          else resolve((response.headers['content-type']?.includes('json') ? JSON.parse(text) : text) as Body);
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path} took too long`)));
      sent.on('error', reject);
      sent.end(body?.text);
    });
  }
}
