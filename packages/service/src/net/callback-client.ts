import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { Clock } from '../base/clock.ts';
import { checkedLookup } from '../base/host-guard.ts';
import { LruMap } from '../base/lru-map.ts';
import type { UnreachableClass } from '../base/outcome.ts';
import type { AddressGuard } from './address-guard.ts';
import { classifyFailure } from './failure.ts';
import { OnePost } from './one-post.ts';

/** What came of one POST: an answer, whatever its status, or none. */
export type Exchange =
  | { readonly kind: 'answered'; readonly status: number; readonly header: (name: string) => string | undefined }
  | { readonly kind: 'unreachable'; readonly errorClass: UnreachableClass; readonly detail: string };

/** Sends to callback URLs. An argument of the engine, so that a simulation can hold the network. */
export interface CallbackClient {
  /**
   * POSTs once. Never rejects: what goes wrong is part of the answer.
   *
   * @param abort ends the exchange early, as at shutdown
   */
  post(url: string, headers: Readonly<Record<string, string>>, body: string, abort: AbortSignal): Promise<Exchange>;
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
  readonly connectionsPerOriginMax: number;
  /** Longest life of a connection that is used again: after it the host is looked up, and checked, anew. */
  readonly connectionMaxMs: number;
  readonly clock: Clock;
}

const ABORTED: Exchange = { kind: 'unreachable', errorClass: 'reset', detail: 'ABORTED' };
const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 30_000;
// Callback URLs that are kept parsed and checked; each TPP has one.
const URLS_KEPT_MAX = 10_000;

/**
 * Server-authenticated TLS 1.2 or later with pooled connections; no client certificate, since mutual TLS does not apply
 * to callback URLs (rules, section 4). Connections go only to addresses that the guard has checked. Redirects are never
 * followed, nothing is sent twice, bodies are dropped unread beyond a bound and never unpacked.
 */
export function createCallbackClient(options: CallbackClientOptions): CallbackClient {
  const { guard, timeoutMs, clock, responseBytesMax } = options;
  // Destroying the agent waits for connections that are being made; this ends them.
  const closing = new AbortController();
  const agent = createAgent(options, closing.signal);
  const places = new LruMap<string, Place>(URLS_KEPT_MAX);
  const underWay = new UnderWay();
  const late: Exchange = { kind: 'unreachable', errorClass: 'timeout', detail: `no answer within ${timeoutMs} ms` };

  function placeOf(url: string): Place {
    const known = places.get(url);
    if (known !== undefined) return known;
    const { origin, pathname, hostname } = new URL(url);
    guard.checkHost(hostname);
    const place = { origin, path: pathname };
    places.set(url, place);
    return place;
  }

  return {
    close: () => {
      closing.abort();
      return agent.destroy();
    },
    post: async (url, headers, body, abort) => {
      const { promise, resolve } = Promise.withResolvers<Exchange>();
      const post = new OnePost(responseBytesMax, resolve);
      const leave = underWay.enter(abort, () => post.giveUp(ABORTED));
      const cancel = clock.after(timeoutMs, () => post.giveUp(late));
      try {
        agent.dispatch({ ...placeOf(url), method: 'POST', headers, body }, post);
        return await promise;
      } catch (error) {
        // What can be told without a connection: the host is an address that is forbidden, or the client is closed.
        return { kind: 'unreachable', ...classifyFailure(error) };
      } finally {
        cancel();
        leave();
      }
    },
  };
}

/** Where a callback URL leads, as it is given to undici. */
interface Place {
  readonly origin: string;
  readonly path: string;
}

function createAgent(options: CallbackClientOptions, closing: AbortSignal): Dispatcher {
  const tls = {
    ...(options.ca !== undefined && { ca: options.ca }),
    minVersion: 'TLSv1.2',
    timeout: options.timeoutMs,
    signal: closing,
  } as const;
  const common = {
    // One connection for all POSTs to a TPP would let one that stalls hold up the rest; see docs/performance.md.
    allowH2: false,
    connections: options.connectionsPerOriginMax,
    pipelining: 1,
    clientTtl: options.connectionMaxMs,
    // By itself undici takes a bare client where there is one connection, which knows no such limit.
    factory: (origin: string | URL, pool: object) => new Pool(origin, pool),
    maxHeaderSize: HEADER_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // The one deadline of each exchange is over everything; these would only cut in with another name for it.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  if (options.proxyUrl === undefined) {
    return new Agent({ ...common, connect: { ...tls, lookup: checkedLookup(options.guard) } });
  }
  return new ProxyAgent({ ...common, uri: options.proxyUrl, requestTls: tls, proxyTls: tls, proxyTunnel: true });
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
