import { Agent } from 'undici';
import type { Clock } from '../base/clock.ts';
import type { UnreachableClass } from '../base/outcome.ts';
import { classifyFailure } from './failure.ts';

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
  /** Deadline over the whole exchange. */
  readonly timeoutMs: number;
  /** How much of an answer's body is read so that its connection can be used again; beyond, the connection is cut. */
  readonly responseBytesMax: number;
  readonly connectionsPerOriginMax: number;
  readonly clock: Clock;
}

const HEADER_BYTES_MAX = 16_384;
const KEEP_ALIVE_MS = 30_000;

/**
 * Server-authenticated TLS 1.2 or later with pooled connections; no client certificate, since mutual TLS does not apply
 * to callback URLs (rules, section 4). Redirects are never followed, nothing is sent twice, bodies are dropped unread
 * beyond a bound. Does not guard where the host name leads.
 */
export function createCallbackClient(options: CallbackClientOptions): CallbackClient {
  // To undici, 0 means its own default of 128 KiB; under one byte means none.
  const dumpLimit = Math.max(options.responseBytesMax, 0.5);
  // Destroying the agent waits for connections that are being made; this ends them.
  const closing = new AbortController();
  const agent = new Agent({
    allowH2: false,
    connections: options.connectionsPerOriginMax,
    pipelining: 1,
    maxHeaderSize: HEADER_BYTES_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    // The one deadline below is over everything; these would only cut in with another name for it.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      ...(options.ca !== undefined && { ca: options.ca }),
      minVersion: 'TLSv1.2',
      timeout: options.timeoutMs,
      signal: closing.signal,
    },
  });

  async function exchange(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<Exchange> {
    const request = agent.request({ ...originAndPath(url), method: 'POST', headers, body, signal });
    const answer = await unlessAborted(request, signal);
    // The status is the answer; what happens to the body no longer matters, except that it must end.
    await answer.body.dump({ limit: dumpLimit, signal }).catch(() => undefined);
    return { kind: 'answered', status: answer.statusCode, header: (name) => single(answer.headers[name]) };
  }

  return {
    close: () => {
      closing.abort();
      return agent.destroy();
    },
    post: async (url, headers, body, abort) => {
      const deadline = new AbortController();
      const cancel = options.clock.after(options.timeoutMs, () => deadline.abort());
      try {
        return await exchange(url, headers, body, AbortSignal.any([deadline.signal, abort]));
      } catch (error) {
        if (deadline.signal.aborted) {
          const detail = `no answer within ${options.timeoutMs} ms`;
          return { kind: 'unreachable', errorClass: 'timeout', detail };
        }
        return { kind: 'unreachable', ...classifyFailure(error) };
      } finally {
        cancel();
      }
    },
  };
}

/** Rejects as soon as the signal aborts. undici heeds it only when the request has a connection, not while it waits. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function originAndPath(url: string): { origin: string; path: string } {
  const { origin, pathname } = new URL(url);
  return { origin, path: pathname };
}

/** A header that came twice says nothing that could be relied on. */
function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
