import { REPORTS_PER_POLL_MAX } from '@tidings/protocol';
import type { RetryDelays } from '../backoff.ts';
import type { BankClient } from '../bank/bank-client.ts';
import type { BankError } from '../bank/bank-error.ts';
import { randomFraction, systemNowMs, waitFor } from '../clock.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import type { NotificationErrorCode } from '../notification/notification-error.ts';
import type { NotificationHandler, NotificationHandlerOptions } from '../notification/notification-handler.ts';
import type { SetVerification } from '../notification/set-verifier.ts';
import { TIMER_MS_MAX, wholeNumber } from '../whole-number.ts';

/** Options of a poller, except for the notification handler. */
export interface PollerSettings extends SetVerification {
  /** Client of the bank. */
  readonly bank: Pick<BankClient, 'events'>;
  /** Maximum number of SETs per poll, 1 to 10 000; halved after a response over `responseBytesMax`. Default 100. */
  readonly maxEvents?: number;
  /** True requests an immediate response even when there are no SETs. Default false: long polls. */
  readonly returnImmediately?: boolean;
  /** Deadline for one whole poll; must exceed the time for which the bank holds a long poll. Default 120 000. */
  readonly requestTimeoutMs?: number;
  /** Maximum response, which is held in memory as a whole. Default 16 777 216 (16 MiB). */
  readonly responseBytesMax?: number;
  /**
   * Maximum body of a poll, 1024 to 4 194 304. Acknowledgements and reports are spread over as many polls as needed.
   * Halved when the bank responds with 413. Default 65 536.
   */
  readonly requestBytesMax?: number;
  /** Maximum number of notifications that `run` handles at once. Default 1: one after the other, oldest first. */
  readonly concurrency?: number;
  /** Interval between polls when the bank has no SETs and responds within a second. Default 60 000. */
  readonly pollIntervalMs?: number;
  /** First backoff after a poll that failed or made no progress; doubles each time. Default 1000. */
  readonly retryDelayMsMin?: number;
  /** Longest backoff. Default 60 000. */
  readonly retryDelayMsMax?: number;
  /**
   * Observer of every SET that is not acknowledged, for the TPP's own log. Its errors are ignored. Left out, it is printed
   * with its remedy: once for each cause, and again after ten minutes at the earliest while the cause lasts.
   */
  onRefused?(refused: RefusedSet): void;
  /** Observer of every failed poll, for the TPP's own log. Its errors are ignored. Left out, it is printed as above. */
  onPollFailed?(failure: PollFailure): void;
  /** Prints one line when `onRefused` or `onPollFailed` is left out. Default: `console.warn`. */
  warn?(line: string): void;
  /**
   * Builds the report to the bank (`setErrs`) for a notification whose handler failed in `run`. Nothing is reported by
   * default, or when this function throws. `err` is cut to 40 characters and `description` to 256.
   *
   * @param cause error of the handler or the seen store
   */
  reportHandlerFailure?(
    notification: EventNotification,
    cause: unknown,
  ): { readonly err: string; readonly description: string } | undefined;
  /** Random number in [0, 1), for the jitter of the backoff. Default: the system's. */
  random?(): number;
  /** Resolves after the delay, or when the signal is aborted. Default: a system timer. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A handler shared with a receiver, or `onNotification`. The iterator requires neither. */
export type PollerHandling =
  | { readonly handler: NotificationHandler; readonly onNotification?: never; readonly seen?: never }
  | (Partial<NotificationHandlerOptions> & { readonly handler?: never });

/** Options of a poller. */
export type PollerOptions = PollerSettings & PollerHandling;

/** A SET that was not acknowledged. */
export interface RefusedSet {
  readonly code: NotificationErrorCode;
  /** Why, in one or two sentences, which reveal nothing of the token. */
  readonly message: string;
  /** The remedy, in one or two sentences. */
  readonly remedy: string;
  /** Key of the SET in the response, cut to 128 characters. */
  readonly jti: string;
  /** Whether the next poll reports the error. The bank returns the SET again in either case. */
  readonly isReported: boolean;
  /** Interaction id of the poll. */
  readonly interactionId: string;
  /** The underlying error, for keys_unavailable, seen_store_failed and handler_failed. */
  readonly cause?: unknown;
}

/** A poll that failed. */
export interface PollFailure {
  readonly error: BankError;
  /** Number of consecutive failures, including this one. */
  readonly failures: number;
  /** Delay until the retry; undefined for the last poll of a run, which is not retried. */
  readonly retryDelayMs: number | undefined;
  /** `jti`s that cannot be reported: the bank rejected each on its own with 413. It returns their SETs again. */
  readonly givenUp: readonly string[];
}

/** The settings with their defaults. */
export interface PollerLimits extends RetryDelays {
  readonly maxEvents: number;
  readonly returnImmediately: boolean;
  readonly requestTimeoutMs: number;
  readonly responseBytesMax: number;
  readonly requestBytesMax: number;
  readonly concurrency: number;
  readonly pollIntervalMs: number;
  now(): number;
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** Applies the defaults. @throws {RangeError} for a number out of range */
export function limitsOf(settings: PollerSettings): PollerLimits {
  const { now = systemNowMs, random = randomFraction, wait = waitFor, returnImmediately = false } = settings;
  const ms = (name: MsOption, byDefault: number, min: number) => whole(settings, name, byDefault, min, TIMER_MS_MAX);
  const retryDelayMsMin = ms('retryDelayMsMin', 1000, 1);
  return {
    maxEvents: whole(settings, 'maxEvents', 100, 1, REPORTS_PER_POLL_MAX),
    returnImmediately,
    requestTimeoutMs: ms('requestTimeoutMs', 120_000, 1),
    responseBytesMax: whole(settings, 'responseBytesMax', 16_777_216, 1, 268_435_456),
    requestBytesMax: whole(settings, 'requestBytesMax', 65_536, 1024, 4_194_304),
    concurrency: whole(settings, 'concurrency', 1, 1, 1000),
    pollIntervalMs: ms('pollIntervalMs', 60_000, 1),
    retryDelayMsMin,
    retryDelayMsMax: ms('retryDelayMsMax', Math.max(60_000, retryDelayMsMin), retryDelayMsMin),
    now,
    random,
    wait,
  };
}

type MsOption = 'requestTimeoutMs' | 'pollIntervalMs' | 'retryDelayMsMin' | 'retryDelayMsMax';
type WholeOption = MsOption | 'maxEvents' | 'responseBytesMax' | 'requestBytesMax' | 'concurrency';

function whole(settings: PollerSettings, name: WholeOption, byDefault: number, min: number, max: number): number {
  return wholeNumber(name, settings[name] ?? byDefault, min, max);
}
