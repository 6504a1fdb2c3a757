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
  /** The TPP that it is for. Each TPP has its own connections, so that none waits for another on the same host. */
  readonly clientId: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** HTTP client for callback URLs. An argument of the engine, so that a simulation can replace the network. */
export interface CallbackClient {
  /**
   * POSTs once. Never rejects: failures are part of the result.
   *
   * @param abort ends the exchange early, as at shutdown
   */
  post(post: CallbackPost, abort: AbortSignal): Promise<Exchange>;
  close(): Promise<void>;
}

export interface CallbackClientOptions {
  /** Root certificates, PEM; undefined: those of Node.js. */
  readonly ca: string | undefined;
  /** Decides where connections may go; asked for each connection. */
  readonly guard: AddressGuard;
  /** HTTP proxy for all connections, which then looks up the hosts. Never taken from the environment. */
  readonly proxyUrl?: string | undefined;
  /** Deadline for the whole exchange. */
  readonly timeoutMs: number;
  /** How much of a response body is read, so that the connection can be reused. After more, the connection is closed. */
  readonly responseBytesMax: number;
  /** Most connections of one TPP to one origin. */
  readonly connectionsMax: number;
  /** Longest life of a reused connection. After that the host is looked up and checked again. */
  readonly connectionMaxMs: number;
  readonly clock: Clock;
}

const ABORTED: Exchange = { kind: 'unreachable', errorClass: 'reset', detail: 'ABORTED' };
const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 30_000;
// TPPs whose parsed and checked callback URLs, and connections, are kept for reuse.
const TPPS_KEPT_MAX = 10_000;

/**
 * Makes the client for callback URLs: TLS 1.2 or later with pooled connections, and no client certificate, since mutual TLS
 * does not apply to callback URLs (rules, section 4). Connections go only to addresses that the guard has checked. Redirects
 * are not followed, requests are not retried, and response bodies are limited and not decompressed.
 * Each TPP has its own connections, even where several have callback URLs on one host, so that none waits for another.
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
        // The guard refused the URL before a connection was made.
        return { kind: 'unreachable', ...classifyFailure(error) };
      } finally {
        cancel();
        leave();
      }
    },
  };
}

/** A TPP's callback URL in the form that undici takes, and the TPP's connections. */
interface Tpp {
  readonly url: string;
  readonly origin: string;
  readonly path: string;
  readonly agent: Agent;
}

function createAgent(options: CallbackClientOptions, connect: Connector['connect']): Agent {
  return new Agent({
    connect,
    // Otherwise undici delays further connections until the first has negotiated its protocol; a TPP can stall that for ever.
    allowH2: false,
    connections: options.connectionsMax,
    pipelining: 1,
    clientTtl: options.connectionMaxMs,
    // For a single connection undici would use a plain client, which ignores `clientTtl`.
    factory: (origin: string | URL, pool: object) => new Pool(origin, { ...pool, connect }),
    maxHeaderSize: HEADER_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // Each exchange has one deadline; these would only report it under another name.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Ends exchanges when a signal aborts, with one listener for each signal whatever the number of exchanges. */
class UnderWay {
  readonly #ofSignal = new WeakMap<AbortSignal, Set<() => void>>();

  /** @returns a function that removes it again */
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
