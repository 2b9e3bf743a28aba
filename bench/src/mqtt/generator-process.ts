import { performance } from 'node:perf_hooks';

import { LoadClient, type LoadTarget } from './load-client.ts';
import { serveCalls } from '../remote-process.ts';

const CONNECTS_AT_ONCE = 64;
const TICK_MS = 5;
/** Exit code: what a lost connection leaves unacknowledged would be waited for for ever. */
const CONNECTION_LOST = 3;
const MS_PER_SECOND = 1_000;

export interface OpenClients extends LoadTarget {
  readonly clients: number;
  readonly subscribes: boolean;
  readonly sessionExpirySeconds: number;
}

let clients: LoadClient[] = [];
/** Several generators may have one server, and one client id is one session. */
const clientPrefix = `load-${process.pid}`;
let lastClient = 0;

async function open(order: OpenClients): Promise<number> {
  let left = order.clients;
  const startMs = performance.now();
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      lastClient += 1;
      const client = await LoadClient.connect({ ...order, clientId: `${clientPrefix}-${lastClient}` });
      client.onLost = () => process.exit(CONNECTION_LOST);
      clients.push(client);
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, lane));
  return performance.now() - startMs;
}

/** Each client always has `window` messages on the way, until `messages` are acknowledged. */
function saturate({ messages, window }: { messages: number; window: number }): Promise<number> {
  const startMs = performance.now();
  let toSend = messages;
  let toHear = messages;
  return new Promise((resolve) => {
    const send = (client: LoadClient, count: number): void => {
      const sent = Math.min(count, toSend);
      toSend -= sent;
      if (sent > 0) client.publish(sent);
    };
    for (const client of clients) {
      client.onAcknowledged = (count) => {
        toHear -= count;
        if (toHear <= 0) resolve(performance.now() - startMs);
        else send(client, count);
      };
      send(client, window);
    }
  });
}

/** An open loop: what is due is sent, one message at a time, round the clients. */
async function pace({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<number> {
  const startMs = performance.now();
  const total = perSecond * seconds;
  let heard = 0;
  for (const client of clients) client.onAcknowledged = (count) => void (heard += count);
  for (let sent = 0; sent < total; await new Promise((resolve) => setTimeout(resolve, TICK_MS))) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * perSecond) / MS_PER_SECOND));
    for (; sent < due; sent++) clients[sent % clients.length]?.publish(1);
  }
  while (heard < total) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  return performance.now() - startMs;
}

/** Connects that come at a rate, and each goes again with a DISCONNECT. Answers how many were accepted by then. */
async function churn(order: LoadTarget & { perSecond: number; seconds: number }): Promise<number> {
  const startMs = performance.now();
  const total = order.perSecond * order.seconds;
  let accepted = 0;
  const one = async (): Promise<void> => {
    lastClient += 1;
    const options = { ...order, clientId: `${clientPrefix}-${lastClient}`, subscribes: false, sessionExpirySeconds: 0 };
    const client = await LoadClient.connect(options, 0);
    accepted += 1;
    await client.close();
  };
  const running: Promise<void>[] = [];
  while (running.length < total) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * order.perSecond) / MS_PER_SECOND));
    while (running.length < due) running.push(one());
  }
  await Promise.all(running);
  return (accepted * MS_PER_SECOND) / (performance.now() - startMs);
}

/** One connection after the other in a number of lanes: CONNECT, CONNACK, DISCONNECT. */
async function cycle(order: LoadTarget & { connects: number; sessionExpirySeconds: number }): Promise<number> {
  const startMs = performance.now();
  let left = order.connects;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      lastClient += 1;
      const options = { ...order, clientId: `${clientPrefix}-${lastClient}`, subscribes: false };
      await (await LoadClient.connect(options, 0)).close();
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, lane));
  return performance.now() - startMs;
}

/** What the benchmark asks of the load generator. Times are in milliseconds. */
const calls = {
  open,
  saturate,
  pace,
  churn,
  cycle,
  close: async (): Promise<void> => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  },
  cut: (): void => {
    for (const client of clients) client.cut();
    clients = [];
  },
};
export type GeneratorCalls = typeof calls;

serveCalls(calls);
