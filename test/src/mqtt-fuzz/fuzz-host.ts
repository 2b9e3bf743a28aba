import type {
  Authentication,
  CloseReason,
  Credentials,
  EndpointHost,
  InboundMessage,
  PublishOutcome,
  Session,
} from '@breakwater/mqtt-endpoint';
import type { SeededRandom } from '@breakwater/twin-runtime/virtual-time';

const OUTCOMES: readonly PublishOutcome[] = [
  { kind: 'stored', hasNoSubscribers: true },
  { kind: 'refused', reason: 'payloadFormatInvalid', detail: 'not wanted' },
  { kind: 'failed', detail: 'the log is away' },
  { kind: 'violation', reason: 'notAuthorized', detail: 'not yours' },
];
/** By the length of the payload; most are stored. */
const MOODS = 23;
const STORED: PublishOutcome = { kind: 'stored' };
/** More waiting answers than any connection may have, so that the host itself never holds back. */
const WAITING_MAX = 10_000;

/** A host with moods: it answers at once, later, or badly, and sends messages to whoever subscribes. */
export class FuzzHost implements EndpointHost<string> {
  readonly neighbour: string;
  sessionsOpen = 0;
  sendsOpen = 0;
  readonly #random: SeededRandom;
  readonly #waiting: (() => void)[] = [];

  constructor(random: SeededRandom, neighbour: string) {
    this.#random = random;
    this.neighbour = neighbour;
  }

  authenticate({ clientId, username }: Credentials): Promise<Authentication<string>> {
    const isNeighbour = clientId === this.neighbour && username === this.neighbour;
    if (!isNeighbour && (clientId === this.neighbour || this.#random.chance(0.05))) {
      return Promise.resolve({ kind: 'refused', reason: 'badCredentials', detail: 'not you' });
    }
    const accepted: Authentication<string> = { kind: 'accepted', identity: clientId, sessionKey: clientId };
    return isNeighbour ? Promise.resolve(accepted) : this.#soonOrLater(accepted);
  }

  sessionOpened(): Promise<void> {
    this.sessionsOpen += 1;
    return this.#soonOrLater(undefined);
  }

  publish(session: Session<string>, message: InboundMessage): Promise<PublishOutcome> {
    if (session.identity === this.neighbour) return Promise.resolve(STORED);
    return this.#soonOrLater(OUTCOMES[message.payload.length % MOODS] ?? STORED);
  }

  maySubscribe(_session: Session<string>, filter: string): boolean {
    return !filter.startsWith('other');
  }

  subscribed(session: Session<string>, filters: readonly string[]): void {
    for (const [at, filter] of filters.slice(0, 4).entries()) {
      // A filter is a good topic only without wildcards, and the topic of a message is the business of the host.
      const topic = filter.replaceAll(/[+#]/g, 'x').slice(0, 100);
      const qos = (at % 3) as 0 | 1 | 2;
      this.sendsOpen += 1;
      const payload = Buffer.alloc(this.#random.below(400), 'd');
      void session.send({ topic, payload, qos, expiryMs: 60_000 }).then(() => (this.sendsOpen -= 1));
    }
  }

  sessionClosed(_session: Session<string>, _reason: CloseReason): void {
    this.sessionsOpen -= 1;
  }

  willDue(): void {
    // Wills are the platform's business; here they only have to come without harm.
  }

  /** Gives the answers that were kept back. */
  answerAll(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  #soonOrLater<T>(answer: T): Promise<T> {
    if (this.#waiting.length >= WAITING_MAX || this.#random.chance(0.7)) return Promise.resolve(answer);
    return new Promise((resolve) => this.#waiting.push(() => resolve(answer)));
  }
}
