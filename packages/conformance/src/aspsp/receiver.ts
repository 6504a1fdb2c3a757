import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Exchange } from '../model.ts';
import type { ListenerConfig } from './config.ts';
import { type Header, messageOf, pairsOf, type WireScope } from './wire.ts';

/** One request that came to a callback URL. */
export interface Delivery {
  readonly method: string;
  /** Path with query, as it came. */
  readonly path: string;
  readonly headers: readonly Header[];
  readonly body: Buffer;
  /** When its headers came, and when the answer was written or the connection closed; a clock that never goes back. */
  readonly arrivedMs: number;
  endedMs: number | undefined;
  /** Such as `TLSv1.3`. */
  readonly tlsVersion: string;
}

/** The answer to a delivery. Default: 202, with the interaction id echoed. */
export interface ReceiverAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isIdEchoed?: boolean;
  /** `hang` answers never; `close` closes the connection. */
  readonly instead?: 'hang' | 'close';
}

/** A callback URL of one check. */
export interface CallbackEndpoint {
  /** The URL that a registration names. */
  readonly url: string;
  /** In the order in which they came. */
  readonly deliveries: readonly Delivery[];
  /** How it answers from now on. @param index that of the delivery, from 0 */
  answer(how: (delivery: Delivery, index: number) => ReceiverAnswer): void;
  /** Leaves out what has come until now. */
  forget(): void;
  /** Waits until so many have come. @returns false when the time was over before */
  untilCount(count: number, timeoutMs: number): Promise<boolean>;
}

/** The runner's own callback URLs, on one listener. */
export interface Receiver {
  /** Opens a callback URL; from the end of the check on it answers 202 to everything. */
  open(wire: WireScope, version: string): CallbackEndpoint;
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 1_048_576;
const ACKNOWLEDGED = 202;

/** Starts the listener. @throws the error of `listen` with its code, such as `EADDRINUSE` */
export async function startReceiver(config: ListenerConfig, clock: Clock): Promise<Receiver> {
  const endpoints = new Map<string, Endpoint>();
  const server = createServer(
    { cert: config.certificatePem, key: config.keyPem, minVersion: 'TLSv1.2' },
    (request, response) => {
      // The first segment of the path says which check it is for; what comes for one that has ended is acknowledged.
      const name = /^\/([^/]+)\//.exec(request.url ?? '')?.[1] ?? '';
      void receive(request, response, endpoints.get(name), clock);
    },
  );
  server.listen(config.port, config.host);
  await once(server, 'listening');
  const origin = originOf(config, server);
  return {
    open: (wire, version) => {
      const name = `c-${randomUUID()}`;
      const endpoint = new Endpoint(`${origin}/${name}/open-banking/${version}/event-notifications`, wire, clock);
      endpoints.set(name, endpoint);
      wire.signal.addEventListener('abort', () => endpoints.delete(name));
      return endpoint;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** With port 0, which only a test uses, the real one takes the place of that in the origin. */
function originOf({ origin, port }: ListenerConfig, server: Server): string {
  if (port !== 0) return origin;
  const url = new URL(origin);
  url.port = String((server.address() as AddressInfo).port);
  return url.origin;
}

class Endpoint implements CallbackEndpoint {
  readonly url: string;
  readonly deliveries: Delivery[] = [];
  readonly #wire: WireScope;
  readonly #clock: Clock;
  readonly #watching = new Set<() => void>();
  #how: (delivery: Delivery, index: number) => ReceiverAnswer = () => ({});

  constructor(url: string, wire: WireScope, clock: Clock) {
    this.url = url;
    this.#wire = wire;
    this.#clock = clock;
  }

  answer(how: (delivery: Delivery, index: number) => ReceiverAnswer): void {
    this.#how = how;
  }

  forget(): void {
    this.deliveries.length = 0;
  }

  untilCount(count: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        cancel();
        this.#watching.delete(look);
        this.#wire.signal.removeEventListener('abort', abort);
        settle();
      };
      const look = () => {
        if (this.deliveries.length >= count) end(() => resolve(true));
      };
      const abort = () => end(() => reject(this.#wire.signal.reason));
      const cancel = this.#clock.after(timeoutMs, () => end(() => resolve(false)));
      this.#watching.add(look);
      this.#wire.signal.addEventListener('abort', abort);
      if (this.#wire.signal.aborted) abort();
      else look();
    });
  }

  /** Keeps a delivery. @returns how to answer it */
  take(delivery: Delivery): ReceiverAnswer {
    this.deliveries.push(delivery);
    return this.#how(delivery, this.deliveries.length - 1);
  }

  /** Called once a delivery was answered: only then has its answer been seen by whoever waits for it. */
  ended(delivery: Delivery, exchange: Exchange): void {
    delivery.endedMs = this.#clock.monotonicMs();
    this.#wire.record(exchange);
    this.looked();
  }

  looked(): void {
    for (const look of this.#watching) look();
  }
}

async function receive(
  request: IncomingMessage,
  response: ServerResponse,
  endpoint: Endpoint | undefined,
  clock: Clock,
): Promise<void> {
  const arrivedMs = clock.monotonicMs();
  const startedAtMs = clock.nowMs();
  const body = await readBody(request);
  if (body === undefined) return;
  if (endpoint === undefined) {
    response.writeHead(ACKNOWLEDGED, echoOf(request)).end();
    return;
  }
  const headers = pairsOf(request.rawHeaders);
  const { method = '', url: path = '' } = request;
  const tlsVersion = 'getProtocol' in request.socket ? String(tlsVersionOf(request.socket)) : '';
  const delivery: Delivery = { method, path, headers, body, arrivedMs, tlsVersion, endedMs: undefined };
  const how = endpoint.take(delivery);
  const seen = messageOf(`${method} ${new URL(path, endpoint.url).href}`, headers, body);
  const about = { role: 'server', startedAtMs, request: seen } as const;
  const spent = () => ({ durationMs: clock.monotonicMs() - arrivedMs });
  if (how.instead !== undefined) {
    if (how.instead === 'close') request.socket.destroy();
    else endpoint.looked();
    request.socket.once('close', () => {
      const error = how.instead === 'close' ? 'The runner closed the connection.' : 'The runner did not answer.';
      endpoint.ended(delivery, { ...about, ...spent(), error });
    });
    return;
  }
  const status = how.status ?? ACKNOWLEDGED;
  const answered = { ...(how.isIdEchoed !== false && echoOf(request)), ...how.headers };
  response.writeHead(status, answered).end(() => {
    const shown = messageOf(`${status}`, Object.entries(answered), Buffer.alloc(0));
    endpoint.ended(delivery, { ...about, ...spent(), response: shown });
  });
}

function tlsVersionOf(socket: object): unknown {
  return 'getProtocol' in socket && typeof socket.getProtocol === 'function' ? socket.getProtocol() : '';
}

function echoOf({ headers }: IncomingMessage): Record<string, string> {
  const id = headers['x-fapi-interaction-id'];
  return typeof id === 'string' ? { 'x-fapi-interaction-id': id } : {};
}

/** @returns undefined when the sender broke it off, or it is too long */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) {
        request.destroy();
        return undefined;
      }
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}
