import { PlatformError } from '@breakwater/twin-runtime';

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

export interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
}

/** Where Redis is, and what kind of set-up: all of it stands in `REDIS_URL`. */
export type RedisAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | ({ readonly kind: 'single'; readonly tls: boolean; readonly db: number } & RedisHost & RedisCredentials)
  | ({ readonly kind: 'cluster'; readonly tls: boolean; readonly hosts: readonly RedisHost[] } & RedisCredentials)
  | ({
      readonly kind: 'sentinel';
      readonly tls: boolean;
      readonly hosts: readonly RedisHost[];
      /** What the sentinels call the primary. */
      readonly primaryName: string;
      /** Of the sentinels themselves; the others are those of the servers. */
      readonly sentinel: RedisCredentials;
    } & RedisCredentials);

const UNIX_PREFIX = 'unix://';
const SERVER_PORT = 6379;
const SENTINEL_PORT = 26_379;
/** Scheme, user information, hosts, path, query. The URL class takes one host only. */
const PARTS = /^([a-z+]+):\/\/(?:([^@/?]*)@)?([^@/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/;

/** Throws `SETTING_INVALID` for what is none; no message shows a password. */
export function redisAddressOf(url: string): RedisAddress {
  if (url.startsWith(UNIX_PREFIX)) return { kind: 'socket', path: url.slice(UNIX_PREFIX.length) };
  const parts = PARTS.exec(url);
  if (parts === null) throw invalid(url, 'it is no address of a Redis');
  const [, scheme, userInfo = '', hostList, path = '', query = ''] = parts;
  const credentials = credentialsOf(url, userInfo);
  switch (scheme) {
    case 'redis':
    case 'rediss':
      return single(url, { tls: scheme === 'rediss', hostList: hostList!, path, credentials });
    case 'redis+cluster':
    case 'rediss+cluster':
      if (path !== '') throw invalid(url, 'a Redis Cluster has no databases to choose from');
      return {
        kind: 'cluster',
        tls: scheme.startsWith('rediss'),
        hosts: hostsOf(url, hostList!, SERVER_PORT),
        ...credentials,
      };
    case 'redis+sentinel':
    case 'rediss+sentinel':
      if (path === '') throw invalid(url, 'the name of the primary stands behind the sentinels, after a slash');
      return {
        kind: 'sentinel',
        tls: scheme.startsWith('rediss'),
        hosts: hostsOf(url, hostList!, SENTINEL_PORT),
        primaryName: decoded(url, path),
        sentinel: sentinelCredentialsOf(query),
        ...credentials,
      };
    default:
      throw invalid(
        url,
        'it starts with redis://, rediss://, unix://, redis+cluster://, rediss+cluster://, redis+sentinel:// or rediss+sentinel://',
      );
  }
}

/** The address without what is secret in it, for messages. */
export function shownAddress(url: string): string {
  return url.replace(/\/\/[^@/?]*@/, '//***@').replace(/\?.*$/, '');
}

function single(
  url: string,
  from: {
    readonly tls: boolean;
    readonly hostList: string;
    readonly path: string;
    readonly credentials: RedisCredentials;
  },
): RedisAddress {
  const { tls, hostList, path, credentials } = from;
  const [host, ...others] = hostsOf(url, hostList, SERVER_PORT);
  if (others.length > 0)
    throw invalid(url, 'several servers are a cluster (redis+cluster://) or sentinels (redis+sentinel://)');
  if (!/^\d*$/.test(path)) throw invalid(url, 'behind the host stands the number of a database, or nothing');
  return { kind: 'single', ...host!, tls, db: Number(path), ...credentials };
}

function hostsOf(url: string, list: string, defaultPort: number): readonly RedisHost[] {
  return list.split(',').map((text) => {
    const [, bracketed, plain, port] = HOST.exec(text) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined || Number(port) > 65_535) throw invalid(url, `"${text}" is no host and port`);
    return { host, port: port === undefined ? defaultPort : Number(port) };
  });
}

function credentialsOf(url: string, userInfo: string): RedisCredentials {
  if (userInfo === '') return {};
  const colon = userInfo.indexOf(':');
  const username = decoded(url, colon < 0 ? userInfo : userInfo.slice(0, colon));
  const password = colon < 0 ? '' : decoded(url, userInfo.slice(colon + 1));
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function sentinelCredentialsOf(query: string): RedisCredentials {
  const given = new URLSearchParams(query);
  const username = given.get('sentinelUsername');
  const password = given.get('sentinelPassword');
  return { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) };
}

function decoded(url: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(url, 'a percent sign in it begins no percent-encoded character');
  }
}

function invalid(url: string, reason: string): PlatformError {
  return new PlatformError('SETTING_INVALID', `the address of Redis "${shownAddress(url)}" cannot be used: ${reason}`);
}
