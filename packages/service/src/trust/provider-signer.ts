import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { ProviderKey, SigningProvider, SigningProviderFault } from '@tidings/protocol';
import { withTimeout } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { messageOf } from '../base/start-up-error.ts';
import type { ProviderName } from '../config/signing.ts';
import type { CallGate } from './call-gate.ts';

/** Nothing can be signed now: what keeps the key is away or refuses. It is tried again; callers need not do so. */
export class SignerUnavailableError extends Error {
  override readonly name = 'SignerUnavailableError';
}

/** The result of one call to a provider. */
export type CallOutcome = 'signed' | SigningProviderFault;

/** Optional observer of each call to a provider. */
export type OnProviderCall = (provider: ProviderName, outcome: CallOutcome, durationMs: number) => void;

export interface ProviderSignerOptions {
  readonly provider: SigningProvider;
  readonly name: ProviderName;
  /** Name of the key at the provider. */
  readonly key: string;
  readonly publicKey: KeyObject;
  /** Undefined: the provider is unavailable. */
  readonly opened: ProviderKey | undefined;
  readonly gate: CallGate;
  /** Longest time from the first call for a signature to its result. */
  readonly timeoutMs: number;
  readonly circuit: { readonly failuresMax: number; readonly pauseMs: number; readonly pauseMaxMs: number };
  readonly clock: Clock;
  readonly log: Pick<Log, 'error' | 'info'>;
  readonly onCall: OnProviderCall;
}

const TRIAL = new TextEncoder().encode('trial signature of Tidings');

/**
 * Signs with a key of a provider. Every signature is verified before it is used. A throttled call is repeated, more slowly.
 * After the provider was unavailable the key is opened anew. After several consecutive failures calls pause, and every
 * signature is refused at once with {@link SignerUnavailableError}; a trial signature ends the pause.
 */
export class ProviderSigner {
  readonly publicKey: KeyObject;
  readonly #options: ProviderSignerOptions;
  /** Undefined: it is opened for the next signature. */
  #opened: ProviderKey | undefined;
  #opening: Promise<ProviderKey> | undefined;
  #failures = 0;
  /** Error of the last signature that failed. */
  #lastFailure: unknown;
  #pause: { readonly why: string; readonly sinceMs: number; lengthMs: number } | undefined;
  #cancelTrial = (): void => undefined;
  #isClosed = false;

  constructor(options: ProviderSignerOptions) {
    this.publicKey = options.publicKey;
    this.#options = options;
    this.#opened = options.opened;
    if (options.opened === undefined) this.#beginPause('it was unavailable at start');
  }

  /** Why nothing is signed now; undefined while signatures are made. */
  problem(): string | undefined {
    const { name, key } = this.#options;
    if (this.#pause === undefined) return undefined;
    const since = new Date(this.#pause.sinceMs).toISOString();
    return `${name} has not signed with the key ${key} since ${since}, and deliveries pause: ${this.#pause.why}`;
  }

  /** Signs PS256. @throws {SignerUnavailableError} */
  async sign(input: Uint8Array): Promise<Uint8Array> {
    const { gate, clock, timeoutMs } = this.#options;
    this.#assertNotPaused();
    let deadlineMs: number | undefined;
    for (;;) {
      try {
        const signature = await gate.run(() => {
          this.#assertNotPaused();
          deadlineMs ??= clock.monotonicMs() + timeoutMs;
          return this.#call(input, deadlineMs);
        });
        this.#failures = 0;
        return signature;
      } catch (error) {
        if (error instanceof SignerUnavailableError) throw error;
        const isInTime = deadlineMs === undefined || clock.monotonicMs() < deadlineMs;
        if (faultOf(error) !== 'throttled' || !isInTime) throw this.#failed(error);
        gate.slowDown(retryAfterOf(error));
      }
    }
  }

  /** Ends the trials. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTrial();
  }

  #assertNotPaused(): void {
    if (this.#pause !== undefined) throw this.#unavailable(this.#pause.why);
  }

  #unavailable(why: string, options?: ErrorOptions): SignerUnavailableError {
    return new SignerUnavailableError(`${this.#options.name} does not sign: ${why}`, options);
  }

  async #call(input: Uint8Array, deadlineMs: number): Promise<Uint8Array> {
    const { name, clock, onCall, publicKey } = this.#options;
    const beganMs = clock.monotonicMs();
    const abort = new AbortController();
    try {
      const signature = await withTimeout(clock, deadlineMs - beganMs, this.#signature(input, abort.signal));
      if (!isPs256Signature(input, signature, publicKey))
        throw new Error('it returned a signature that does not verify');
      onCall(name, 'signed', clock.monotonicMs() - beganMs);
      return signature;
    } catch (error) {
      onCall(name, faultOf(error), clock.monotonicMs() - beganMs);
      throw error;
    } finally {
      abort.abort();
    }
  }

  async #signature(input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const opened = this.#opened ?? (await this.#open());
    signal.throwIfAborted();
    try {
      return await opened.sign(input, signal);
    } catch (error) {
      // What it was opened with may be gone, such as the process of a PKCS #11 module. A call that was too slow is no sign of that.
      if (isSaidUnavailable(error) && this.#opened === opened) this.#opened = undefined;
      throw error;
    }
  }

  /** Signatures that wait for the key share one call. */
  #open(): Promise<ProviderKey> {
    if (this.#isClosed) return Promise.reject(new Error('the service stops'));
    this.#opening ??= openKey(this.#options)
      .then((opened) => {
        if (!createPublicKey(opened.publicKeyPem).equals(this.publicKey)) {
          throw new Error('the key was replaced by another one');
        }
        this.#opened = opened;
        return opened;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  #failed(error: unknown): SignerUnavailableError {
    const why = messageOf(error);
    // What ends several calls, such as a process of a module, is one error, and one failure.
    if (error !== this.#lastFailure) this.#failures += 1;
    this.#lastFailure = error;
    const isOver = faultOf(error) === 'denied' || this.#failures >= this.#options.circuit.failuresMax;
    if (isOver && this.#pause === undefined) this.#beginPause(why);
    return this.#unavailable(why, { cause: error });
  }

  #beginPause(why: string): void {
    const { name, key, clock, circuit, log } = this.#options;
    log.error({ provider: name, key, why }, 'the provider does not sign; deliveries pause');
    this.#pause = { why, sinceMs: clock.nowMs(), lengthMs: circuit.pauseMs };
    this.#tryAfterPause(circuit.pauseMs);
  }

  #tryAfterPause(pauseMs: number): void {
    if (!this.#isClosed) this.#cancelTrial = this.#options.clock.after(pauseMs, () => void this.#try());
  }

  /** Never rejects. */
  async #try(): Promise<void> {
    const { name, key, clock, circuit, log, timeoutMs } = this.#options;
    const pause = this.#pause;
    if (pause === undefined) return;
    try {
      await this.#open();
      await this.#call(TRIAL, clock.monotonicMs() + timeoutMs);
      this.#pause = undefined;
      this.#failures = 0;
      log.info({ provider: name, key, pausedMs: clock.nowMs() - pause.sinceMs }, 'the provider signs again');
    } catch (error) {
      const lengthMs = Math.min(pause.lengthMs * 2, circuit.pauseMaxMs);
      this.#pause = { ...pause, why: messageOf(error), lengthMs };
      this.#tryAfterPause(lengthMs);
    }
  }
}

/** Opens a key, within the time for a signature. */
export async function openKey({
  provider,
  key,
  clock,
  timeoutMs,
}: Pick<ProviderSignerOptions, 'provider' | 'key' | 'clock' | 'timeoutMs'>): Promise<ProviderKey> {
  const abort = new AbortController();
  try {
    return await withTimeout(clock, timeoutMs, provider.openKey(key, abort.signal));
  } finally {
    abort.abort();
  }
}

/** The provider itself said so, in contrast to a timeout or a wrong signature. */
const isSaidUnavailable = (error: unknown) =>
  error instanceof Error && 'fault' in error && error.fault === 'unavailable';

/** The meaning of an error of a provider. An error without a known fault, such as a timeout, is unavailability. */
export function faultOf(error: unknown): SigningProviderFault {
  const fault: unknown = error instanceof Error && 'fault' in error ? error.fault : undefined;
  return fault === 'throttled' || fault === 'denied' ? fault : 'unavailable';
}

function retryAfterOf(error: unknown): number | undefined {
  const ms: unknown = error instanceof Error && 'retryAfterMs' in error ? error.retryAfterMs : undefined;
  return typeof ms === 'number' ? ms : undefined;
}

/** Verifies a PS256 signature; another length of the salt is none (RFC 7518 section 3.5). */
export function isPs256Signature(input: Uint8Array, signature: Uint8Array, publicKey: KeyObject): boolean {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return verify('sha256', input, { key: publicKey, ...pss }, signature);
}
