import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { raceAddresses } from '@tidings/protocol';
import type { buildConnector } from 'undici';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import type { CheckedAddress, HostGuard } from './host-guard.ts';
import { acceptUnaskedContinue } from './interim.ts';
import { openTunnel } from './tunnel.ts';

/** Certificate, key and root certificates of a TLS client, PEM. Without `ca`, the roots of Node.js. */
export interface ClientTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface ConnectorOptions {
  readonly tls: ClientTls;
  /** Asked for the addresses of each connection. Undefined only where all URLs are the bank's own. */
  readonly guard: Pick<HostGuard, 'addressesOf'> | undefined;
  /** HTTP proxy for all connections, which then looks up the hosts. Never taken from the environment. */
  readonly proxyUrl?: string | undefined;
  /** Deadline for making a connection, from the look-up to the end of the handshake. */
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>;
}

/** The destination of a connection. */
interface Target {
  readonly hostname: string;
  readonly port: number;
  readonly isTls: boolean;
}

type Guard = Pick<HostGuard, 'addressesOf'>;

const INTERIM_BYTES_MAX = 16_384;
const ADDRESSES_MAX = 16;
const SESSIONS_MAX = 1000;
const TCP_KEEP_ALIVE_MS = 60_000;
// The largest TLS record.
const HIGH_WATER_MARK_BYTES = 16_384;

/**
 * Opens the connections of all HTTP clients of this service, under the same rules: TLS 1.2 or later; the peer is always
 * verified, whatever the environment says; HTTP/1.1 only, since the limits of the clients are those of its parser; each
 * address of a host is tried within the deadline (`raceAddresses`); an unsolicited `100 Continue` is accepted. When the
 * certificate, key or roots are not PEM, every connection fails.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #sessions = new LruMap<string, Buffer>(SESSIONS_MAX);
  readonly #underWay = new Set<AbortController>();
  #secureContext: SecureContext | undefined;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** The `connect` option of undici. */
  readonly connect: buildConnector.connector = (to, callback) => {
    this.#connect(to).then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    );
  };

  /** Aborts connections that are being made. Destroying a client of undici would wait for them. */
  close(): void {
    for (const end of this.#underWay) end.abort(new ConnectionError('UND_ERR_ABORTED'));
  }

  async #connect({ hostname, port, protocol }: buildConnector.Options): Promise<Socket> {
    const { timeoutMs, clock } = this.#options;
    const end = new AbortController();
    this.#underWay.add(end);
    const cancel = clock.after(timeoutMs, () => end.abort(new ConnectionError('ETIMEDOUT')));
    try {
      const isTls = protocol === 'https:';
      const socket = await this.#open({ hostname, port: portOf(port, isTls), isTls }, end.signal);
      socket.setNoDelay(true).setKeepAlive(true, TCP_KEEP_ALIVE_MS);
      acceptUnaskedContinue(socket, INTERIM_BYTES_MAX);
      return socket;
    } finally {
      cancel();
      this.#underWay.delete(end);
    }
  }

  async #open(target: Target, end: AbortSignal): Promise<Socket> {
    const { proxyUrl, guard = BY_SYSTEM } = this.#options;
    if (proxyUrl === undefined) return await this.#openDirectly(target, guard, end);
    const { hostname, port, protocol } = new URL(proxyUrl);
    const isTls = protocol === 'https:';
    const proxy = { hostname: hostname.replace(/^\[|\]$/g, ''), port: portOf(port, isTls), isTls };
    const socket = await openTunnel(await this.#openDirectly(proxy, BY_SYSTEM, end), target, end);
    return await this.#secureTunnel(socket, target, end);
  }

  async #openDirectly(target: Target, guard: Guard, end: AbortSignal): Promise<Socket> {
    const { clock, timeoutMs } = this.#options;
    const beganMs = clock.monotonicMs();
    const addresses = await unlessEnded(guard.addressesOf(target.hostname), end);
    const leftMs = timeoutMs - (clock.monotonicMs() - beganMs);
    const tls = target.isTls ? this.#tlsOf(target) : undefined;
    const errors: Error[] = [];
    return await new Promise((resolve, reject) => {
      const cancel = raceAddresses<CheckedAddress, Socket>({
        addresses: addresses.slice(0, ADDRESSES_MAX),
        timeoutMs: leftMs,
        begin: ({ address }, attempt) => {
          let isReached = false;
          const socket = this.#begin(address, target, tls);
          socket.once('connect', () => {
            isReached = true;
            attempt.reached();
          });
          socket.once(target.isTls ? 'secureConnect' : 'connect', () => attempt.connected(socket));
          socket.on('error', (error) => {
            // An error of TLS tells more than an address at which nobody listens.
            if (isReached) errors.unshift(error);
            else errors.push(error);
            attempt.failed(error);
          });
          return () => socket.destroy();
        },
        connected: resolve,
        failed: () => reject(errors.length === 1 ? errors[0] : allOf(errors)),
        after: (delayMs, callback) => clock.after(delayMs, callback),
        monotonicMs: () => clock.monotonicMs(),
      });
      whenEnded(end, () => {
        cancel();
        reject(end.reason);
      });
    });
  }

  #begin(host: string, target: Target, tls: ConnectionOptions | undefined): Socket {
    const to = { host, port: target.port, highWaterMark: HIGH_WATER_MARK_BYTES };
    if (tls === undefined) return connectTcp(to);
    return this.#keepingSession(connectTls({ ...to, ...tls, rejectUnauthorized: true }), target);
  }

  #secureTunnel(tunnel: Socket, target: Target, end: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const tls = { ...this.#tlsOf(target), socket: tunnel, host: target.hostname };
      const socket = this.#keepingSession(connectTls({ ...tls, rejectUnauthorized: true }), target);
      socket.on('error', reject).once('secureConnect', () => resolve(socket));
      whenEnded(end, () => {
        socket.destroy();
        reject(end.reason);
      });
    });
  }

  #tlsOf({ hostname, port }: Target): ConnectionOptions {
    const session = this.#sessions.get(`${hostname}:${port}`);
    this.#secureContext ??= createSecureContext({ ...this.#options.tls, minVersion: 'TLSv1.2' });
    return {
      secureContext: this.#secureContext,
      ALPNProtocols: ['http/1.1'],
      // A name is sent to the server (SNI) and verified; an address is only verified.
      ...(isIP(hostname) === 0 && { servername: hostname.replace(/\.$/, '') }),
      ...(session !== undefined && { session }),
    };
  }

  #keepingSession(socket: Socket, { hostname, port }: Target): Socket {
    return socket.on('session', (session: Buffer) => this.#sessions.set(`${hostname}:${port}`, session));
  }
}

/** A connection that this service gave up. */
class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Looks up names by the system, the hosts file included: for hosts that the bank itself configured. */
const BY_SYSTEM: Guard = {
  addressesOf: async (host) => {
    const found = await lookup(host, { all: true });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  },
};

/** The errors of several addresses as one, with the code of the first. */
function allOf(errors: readonly Error[]): AggregateError {
  const code = systemErrorCode(errors[0]);
  return Object.assign(new AggregateError(errors, 'no address of the host could be connected to'), { code });
}

function portOf(text: string, isTls: boolean): number {
  if (text !== '') return Number(text);
  return isTls ? 443 : 80;
}

function unlessEnded<T>(promise: Promise<T>, end: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    whenEnded(end, () => reject(end.reason));
  });
}

function whenEnded(end: AbortSignal, action: () => void): void {
  if (end.aborted) action();
  else end.addEventListener('abort', action, { once: true });
}
