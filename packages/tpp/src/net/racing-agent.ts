import { lookup } from 'node:dns/promises';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { raceAddresses } from '@tidings/protocol';
import { monotonicMs, runAfter } from '../clock.ts';

/** Options of a request over a {@link RacingAgent}. */
export interface RacingOptions extends RequestOptions {
  /** Deadline for the connection, from name look-up to the end of the TLS handshake. */
  readonly connectTimeoutMs: number;
  /** Aborts the connection while it is being established. */
  readonly ended?: AbortSignal;
}

/** Resolves a host. @returns its addresses in order of preference; at least one */
export type AddressesOf = (host: string) => Promise<readonly string[]>;

type Callback = (error: Error | null, stream: Duplex) => void;

const ADDRESSES_MAX = 16;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * An agent that tries every address of a host within the deadline (`raceAddresses` of `@tidings/protocol`). Node.js
 * itself abandons an address after 250 ms when it tries the next one. The peer is always verified.
 */
export class RacingAgent extends Agent {
  readonly #addressesOf: AddressesOf;
  readonly #underWay = new Set<(error: Error) => void>();

  /** @param addressesOf default: the system resolver */
  constructor(options: AgentOptions, addressesOf: AddressesOf = bySystem) {
    super({ ...options, rejectUnauthorized: true });
    this.#addressesOf = addressesOf;
  }

  override createConnection(options: Partial<RacingOptions>, callback?: Callback): undefined {
    const end = new AbortController();
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    const deadlineMs = monotonicMs() + connectTimeoutMs;
    const stop = (error: Error) => end.abort(error);
    this.#underWay.add(stop);
    options.ended?.addEventListener('abort', () => stop(failureOf('ECONNABORTED')));
    const cancelDeadline = runAfter(connectTimeoutMs, () => stop(failureOf('ETIMEDOUT')));
    this.#connect(options, deadlineMs, end.signal)
      .finally(() => {
        cancelDeadline();
        this.#underWay.delete(stop);
      })
      .then(
        (socket) => callback?.(null, socket),
        // Node.js checks the error first; the socket is only a placeholder.
        (error) => callback?.(error, new Socket()),
      );
  }

  /** Also aborts connections that are being established. */
  override destroy(): void {
    for (const stop of this.#underWay) stop(failureOf('ECONNABORTED'));
    super.destroy();
  }

  #connect(options: RequestOptions, deadlineMs: number, end: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      let cancel: () => void = () => undefined;
      end.addEventListener('abort', () => {
        cancel();
        reject(end.reason);
      });
      this.#addressesOf(options.host ?? 'localhost').then((addresses) => {
        if (end.aborted) return;
        cancel = raceAddresses<string, Socket>({
          addresses: addresses.slice(0, ADDRESSES_MAX),
          timeoutMs: deadlineMs - monotonicMs(),
          begin: (address, attempt) => {
            const socket = super.createConnection({ ...options, host: address });
            if (!(socket instanceof Socket)) throw new Error('node:https did not create a socket');
            socket.once('connect', attempt.reached).once('secureConnect', () => attempt.connected(socket));
            socket.on('error', attempt.failed);
            return () => socket.destroy();
          },
          connected: resolve,
          failed: ([first]) => reject(first),
          after: runAfter,
          monotonicMs,
        });
      }, reject);
    });
  }
}

async function bySystem(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

function failureOf(code: string): Error {
  return Object.assign(new Error(code), { code });
}
