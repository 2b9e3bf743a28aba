import { PlatformError } from '@breakwater/twin-runtime';

/** What is wrong with a connection to Kafka, as its operator would put it. */
export interface KafkaFailure {
  readonly code: 'KAFKA_CREDENTIALS_REFUSED' | 'KAFKA_TLS_FAILED' | 'KAFKA_NOT_ALLOWED' | 'BACKEND_UNAVAILABLE';
  readonly sentence: string;
}

/** The fields of errors of the client library and of Node that say something. */
interface ErrorFacts {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
  /** Kafka's name of an error that a broker answered with. */
  readonly apiId?: unknown;
  readonly serverErrorMessage?: unknown;
  /** The name that an error of name resolution is about. */
  readonly hostname?: unknown;
}

/** Errors wrap each other, and those of several attempts stand side by side. */
const FACTS_MAX = 64;
const SENTENCES_MAX = 3;
/** OpenSSL's reasons to refuse a certificate, as Node names them. */
const CERTIFICATE_REFUSED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);
/** There is no such name, or no answer about it yet. */
const NAME_UNKNOWN = new Set(['ENOTFOUND', 'EAI_AGAIN']);
const AUTHENTICATION = 'PLT_KFK_AUTHENTICATION';
const NOT_ALLOWED = /_AUTHORIZATION_FAILED$/;
/** Of the client library: it has seen a TLS record on a plain connection, or nothing but an end on one with TLS. */
const WANTS_TLS = 'Broker requires TLS.';
const HAS_NO_TLS = 'TLS handshake failed.';
/** What only says that there were several attempts. */
const EMPTY_MESSAGES = /^(?:\w+ failed \d+ times\.|Cannot connect to any broker\.|Received response with error .*)$/;

/**
 * What stands behind an error of the client library, which knows several layers of "failed". Nothing of what the
 * platform has sent is in it, so no password either.
 */
export function kafkaFailureOf(error: unknown): KafkaFailure {
  const facts = factsOf(error);
  return (
    tlsFailure(facts) ??
    credentialsFailure(facts) ??
    permissionFailure(facts) ??
    nameFailure(facts) ??
    otherFailure(facts)
  );
}

/** As an error of the platform; one that is that already stays as it is. */
export function kafkaError(error: unknown, what: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const { code, sentence } = kafkaFailureOf(error);
  return new PlatformError(code, `${what}: ${sentence}`, { retryable: code === 'BACKEND_UNAVAILABLE', cause: error });
}

/** While the platform runs Kafka is away, for whatever reason: callers wait and try again, and the reason is told. */
export function kafkaAway(error: unknown, what: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const { code, sentence } = kafkaFailureOf(error);
  const reason = code === 'BACKEND_UNAVAILABLE' ? sentence : `${sentence} (${code})`;
  return new PlatformError('BACKEND_UNAVAILABLE', `${what}: ${reason}`, { retryable: true, cause: error });
}

function tlsFailure(facts: readonly ErrorFacts[]): KafkaFailure | null {
  const failed = (sentence: string): KafkaFailure => ({ code: 'KAFKA_TLS_FAILED', sentence });
  const refused = facts.find(({ code }) => typeof code === 'string' && CERTIFICATE_REFUSED.has(code));
  if (refused !== undefined) {
    const reason = `${String(refused.code)}, ${textOf(refused)}`;
    return failed(`the broker's certificate is not trusted: ${reason} (KAFKA_TLS_CA_FILE names who signs it)`);
  }
  const handshake = facts.find(({ code }) => typeof code === 'string' && /^ERR_(?:SSL|TLS)_/.test(code));
  if (handshake !== undefined) {
    return failed(
      `no TLS connection came about: ${String(handshake.code)} (do the brokers ask for KAFKA_TLS_CERT_FILE?)`,
    );
  }
  if (facts.some((each) => textOf(each) === WANTS_TLS)) {
    return failed('the port speaks TLS, and KAFKA_TLS is off');
  }
  if (facts.some((each) => textOf(each).startsWith(HAS_NO_TLS))) {
    return failed('the port does not speak TLS, and KAFKA_TLS is on');
  }
  return null;
}

function credentialsFailure(facts: readonly ErrorFacts[]): KafkaFailure | null {
  if (!facts.some(({ code }) => code === AUTHENTICATION)) return null;
  const failed = (sentence: string): KafkaFailure => ({ code: 'KAFKA_CREDENTIALS_REFUSED', sentence });
  if (facts.some(({ apiId }) => apiId === 'UNSUPPORTED_SASL_MECHANISM')) {
    return failed('the brokers do not know KAFKA_SASL_MECHANISM');
  }
  const answered = facts.find(({ apiId }) => typeof apiId === 'string');
  if (answered === undefined) {
    // A broker whose port expects TLS ends the connection at the first word of another protocol.
    const sentence = 'the broker ended the connection before it had seen a user (is KAFKA_TLS as its port wants it?)';
    return { code: 'KAFKA_TLS_FAILED', sentence };
  }
  const said = typeof answered.serverErrorMessage === 'string' ? `: ${answered.serverErrorMessage}` : '';
  return failed(`the brokers refuse KAFKA_SASL_USERNAME with this password${said}`);
}

function permissionFailure(facts: readonly ErrorFacts[]): KafkaFailure | null {
  const denied = facts.find(({ apiId }) => typeof apiId === 'string' && NOT_ALLOWED.test(apiId));
  if (denied === undefined) return null;
  const said = typeof denied.serverErrorMessage === 'string' ? `, ${denied.serverErrorMessage}` : '';
  return { code: 'KAFKA_NOT_ALLOWED', sentence: `the user may not do this: ${String(denied.apiId)}${said}` };
}

function nameFailure(facts: readonly ErrorFacts[]): KafkaFailure | null {
  const names = facts.flatMap(({ code, hostname }) =>
    typeof code === 'string' && NAME_UNKNOWN.has(code) && typeof hostname === 'string' ? [hostname] : [],
  );
  if (names.length === 0) return null;
  const listed = [...new Set(names)].slice(0, SENTENCES_MAX).join(', ');
  const sentence = `no host is found under the name ${listed} (of KAFKA_BROKERS, or of a broker's advertised.listeners)`;
  return { code: 'BACKEND_UNAVAILABLE', sentence };
}

function otherFailure(facts: readonly ErrorFacts[]): KafkaFailure {
  const texts = facts.map(textOf).filter((text) => text !== '');
  const telling = texts.filter((text) => !EMPTY_MESSAGES.test(text));
  const said = [...new Set(telling.length > 0 ? telling : texts)];
  return { code: 'BACKEND_UNAVAILABLE', sentence: said.slice(-SENTENCES_MAX).join(' ') || 'it is not known why' };
}

/** The error and everything that it was made of, the outermost first. */
function factsOf(error: unknown): readonly ErrorFacts[] {
  const facts: ErrorFacts[] = [];
  const seen = new Set<unknown>();
  const open = [error];
  while (open.length > 0 && facts.length < FACTS_MAX) {
    const next = open.shift();
    if (typeof next !== 'object' || next === null || seen.has(next)) {
      if (typeof next === 'string') facts.push({ message: next });
      continue;
    }
    seen.add(next);
    const found = next as ErrorFacts;
    facts.push(found);
    open.push(...(Array.isArray(found.errors) ? (found.errors as unknown[]) : []), found.cause);
  }
  return facts;
}

function textOf({ message, serverErrorMessage }: ErrorFacts): string {
  const text = typeof message === 'string' ? message : '';
  return typeof serverErrorMessage === 'string' && serverErrorMessage !== '' ? `${text} (${serverErrorMessage})` : text;
}
