import { Agent, Pool } from 'undici';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import type { AddressGuard } from './address-guard.ts';
import { Connector } from './connector.ts';
import { classifyFailure } from './failure.ts';
import { type Exchange, OnePost } from './one-post.ts';

export type { Exchange };

/** One POST to a callback URL. */
export interface CallbackPost {
  /** The TPP it is for: connections are those of one TPP, so that none waits for another's on the same host. */
  readonly clientId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends to callback URLs. An argument of the engine, so that a simulation can hold the network. */
export interface CallbackClient {
  /**
   * POSTs once. Never rejects: what goes wrong is part of the answer.
   *
   * @param abort ends the exchange early, as at shutdown
   */
  post(post: CallbackPost, abort: AbortSignal): Promise<Exchange>;
  close(): Promise<void>;
}

export interface CallbackClientOptions {
  /** Roots in PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Says where connections may go, and is asked at each. */
  readonly guard: AddressGuard;
  /** HTTP proxy that connections are made through; it looks the hosts up then. Never taken from the environment. */
  readonly proxyUrl?: string | undefined;
  /** Deadline over the whole exchange. */
  readonly timeoutMs: number;
  /** How much of an answer's body is read so that its connection can be used again; beyond, the connection is cut. */
  readonly responseBytesMax: number;
  /** Connections of one TPP to one origin. */
  readonly connectionsMax: number;
  /** Longest life of a connection that is used again: after that the host is looked up and checked again. */
  readonly connectionMaxMs: number;
  readonly clock: Clock;
}

const ABORTED: Exchange = { kind: 'unreachable', errorClass: 'reset', detail: 'ABORTED' };
const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 30_000;
// TPPs whose callback URLs are kept parsed and checked, and whose connections are used again.
const TPPS_KEPT_MAX = 10_000;

/**
 * Server-authenticated TLS 1.2 or later with pooled connections; no client certificate, since mutual TLS does not apply
 * to callback URLs (rules, section 4). Connections go only to addresses that the guard has checked. Redirects are never
 * followed, nothing is sent twice, bodies are dropped unread beyond a bound and never unpacked. Each TPP has connections of
 * its own, also where several have callback URLs on one host: none waits for what another one's hold up.
 */
export function createCallbackClient(options: CallbackClientOptions): CallbackClient {
  const { guard, timeoutMs, clock, responseBytesMax } = options;
  const connector = new Connector({ ...options, tls: { ca: options.ca } });
  const tpps = new LruMap<string, Tpp>(TPPS_KEPT_MAX, ({ agent }) => void agent.close());
  const underWay = new UnderWay();
  const late: Exchange = { kind: 'unreachable', errorClass: 'timeout', detail: `no answer within ${timeoutMs} ms` };
  let isClosed = false;

  function tppOf(clientId: string, url: string): Tpp {
    const known = tpps.get(clientId);
    if (known?.url === url) return known;
    const parsed = new URL(url);
    guard.checkUrl(parsed);
    const { origin, pathname } = parsed;
    const agent = known?.agent ?? createAgent(options, connector.connect);
    const tpp = { url, origin, path: pathname, agent };
    tpps.set(clientId, tpp);
    return tpp;
  }

  return {
    close: async () => {
      isClosed = true;
      connector.close();
      await Promise.all(tpps.values().map(({ agent }) => agent.destroy()));
    },
    post: async ({ clientId, url, headers, body }, abort) => {
      if (isClosed) return ABORTED;
      const { promise, resolve } = Promise.withResolvers<Exchange>();
      const post = new OnePost(responseBytesMax, resolve);
      const leave = underWay.enter(abort, () => post.giveUp(ABORTED));
      const cancel = clock.after(timeoutMs, () => post.giveUp(late));
      try {
        const { agent, origin, path } = tppOf(clientId, url);
        agent.dispatch({ origin, path, method: 'POST', headers, body }, post);
        return await promise;
      } catch (error) {
        // What can be told without a connection: the host is an address that is forbidden.
        return { kind: 'unreachable', ...classifyFailure(error) };
      } finally {
        cancel();
        leave();
      }
    },
  };
}

/** A TPP's callback URL, as undici is given it, and the TPP's connections. */
interface Tpp {
  readonly url: string;
  readonly origin: string;
  readonly path: string;
  readonly agent: Agent;
}

function createAgent(options: CallbackClientOptions, connect: Connector['connect']): Agent {
  return new Agent({
    connect,
    // Undici would hold further connections back until the first has shown what it speaks, a TPP that stalls for ever.
    allowH2: false,
    connections: options.connectionsMax,
    pipelining: 1,
    clientTtl: options.connectionMaxMs,
    // By itself undici takes a bare client where there is one connection, which knows no such limit.
    factory: (origin: string | URL, pool: object) => new Pool(origin, { ...pool, connect }),
    maxHeaderSize: HEADER_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // The one deadline of each exchange is over everything; these would only cut in with another name for it.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Ends exchanges when a signal aborts, with one listener for each signal, however many exchanges heed it. */
class UnderWay {
  readonly #ofSignal = new WeakMap<AbortSignal, Set<() => void>>();

  /** @returns takes it out again */
  enter(signal: AbortSignal, end: () => void): () => void {
    if (signal.aborted) end();
    const known = this.#ofSignal.get(signal);
    const ends = known ?? new Set();
    if (known === undefined) {
      this.#ofSignal.set(signal, ends);
      signal.addEventListener('abort', () => {
        for (const one of ends) one();
      });
    }
    ends.add(end);
    return () => ends.delete(end);
  }
}
