import { lookup } from 'node:dns/promises';
import { Agent, type AgentOptions, type RequestOptions } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { raceAddresses } from '@tidings/protocol';
import { monotonicMs, runAfter } from '../clock.ts';

/** Options of a request that a {@link RacingAgent} connects for. */
export interface RacingOptions extends RequestOptions {
  /** Deadline of the connection, from the look-up to the end of the handshake. */
  readonly connectTimeoutMs: number;
  /** Ends the connection while it is being made. */
  readonly ended?: AbortSignal;
}

/** Looks a host up. @returns its addresses, in the order of preference; at least one */
export type AddressesOf = (host: string) => Promise<readonly string[]>;

type Callback = (error: Error | null, stream: Duplex) => void;

const ADDRESSES_MAX = 16;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * An agent that gives every address of a host its chance within the deadline (`raceAddresses` of `@tidings/protocol`).
 * Node.js by itself gives one up for the next after 250 ms, and for good. The peer is always verified.
 */
export class RacingAgent extends Agent {
  readonly #addressesOf: AddressesOf;
  readonly #underWay = new Set<(error: Error) => void>();

  /** @param addressesOf default: as the system does */
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
        // The error is looked at first: there is no connection to give.
        (error) => callback?.(error, new Socket()),
      );
  }

  /** Ends what is being connected too. */
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
            if (!(socket instanceof Socket)) throw new Error('node:https made no socket');
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
