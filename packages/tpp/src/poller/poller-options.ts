import { REPORTS_PER_POLL_MAX } from '@tidings/protocol';
import type { BankClient } from '../bank/bank-client.ts';
import type { BankError } from '../bank/bank-error.ts';
import { randomFraction, systemNowMs, waitFor } from '../clock.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import type { NotificationErrorCode } from '../notification/notification-error.ts';
import type { NotificationHandler, NotificationHandlerOptions } from '../notification/notification-handler.ts';
import type { SetVerification } from '../notification/set-verifier.ts';
import type { RetryDelays } from './retry-delay.ts';

/** Options of a poller, besides what takes the notifications. */
export interface PollerSettings extends SetVerification {
  /** The client of the bank: its token, its mutual TLS, its base URL. */
  readonly bank: Pick<BankClient, 'events'>;
  /** Most SETs to ask for in one poll, 1 to 10 000; halved after an answer over `responseBytesMax`. Default 100. */
  readonly maxEvents?: number;
  /** True asks the bank not to hold a poll when it has nothing. Default false: long polls. */
  readonly returnImmediately?: boolean;
  /** For one whole poll; must be longer than the bank holds a long poll. Default 120 000. */
  readonly requestTimeoutMs?: number;
  /** Longest answer, all of which is held at once. Default 16 777 216 (16 MiB). */
  readonly responseBytesMax?: number;
  /**
   * Longest body of a poll, 1024 to 4 194 304: acknowledgements and reports are spread over as many polls as they need.
   * Halved when the bank refuses one with 413. Default 65 536.
   */
  readonly requestBytesMax?: number;
  /** How many notifications are handled at once by `run`. Default 1: one after the other, oldest first. */
  readonly concurrency?: number;
  /** Between polls, when the bank has nothing and answers within a second. Default 60 000. */
  readonly pollIntervalMs?: number;
  /** The backoff after a poll that failed, or in which nothing could be finished; doubled each time. Default 1000. */
  readonly retryDelayMsMin?: number;
  /** Where the doubling ends. Default 60 000. */
  readonly retryDelayMsMax?: number;
  /** Every SET that is not acknowledged, for the TPP's own log; what it throws is ignored. */
  onRefused?(refused: RefusedSet): void;
  /** Every poll that failed and is tried again, for the TPP's own log; what it throws is ignored. */
  onPollFailed?(failure: PollFailure): void;
  /**
   * The report to the bank (`setErrs`) of a notification that the handler failed on in `run`. Default: nothing, as
   * when it throws. Texts are cut to 40 and 256 characters.
   *
   * @param cause what the handler, or the seen store, threw
   */
  reportHandlerFailure?(
    notification: EventNotification,
    cause: unknown,
  ): { readonly err: string; readonly description: string } | undefined;
  /** From 0 up to 1, spreads the backoff. Default: the machine's. */
  random?(): number;
  /** Resolves after the delay, or when the signal is aborted. Default: the machine's timer. */
  wait?(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** The consumer of the notifications: a handler that a receiver may share, or `onNotification`; the iterator needs neither. */
export type PollerHandling =
  | { readonly handler: NotificationHandler; readonly onNotification?: never; readonly seen?: never }
  | (Partial<NotificationHandlerOptions> & { readonly handler?: never });

/** Options of a poller. */
export type PollerOptions = PollerSettings & PollerHandling;

/** A SET that was offered and not acknowledged. */
export interface RefusedSet {
  readonly code: NotificationErrorCode;
  /** One sentence; what is reported to the bank says no more. */
  readonly message: string;
  /** The bank's key of the SET, cut to 128 characters. */
  readonly jti: string;
  /** Whether the next poll reports it to the bank. If not, the bank offers it again all the same. */
  readonly isReported: boolean;
  /** Of the poll that brought it. */
  readonly interactionId: string;
  /** For keys_unavailable, seen_store_failed and handler_failed: what was thrown. */
  readonly cause?: unknown;
}

/** A poll that failed. */
export interface PollFailure {
  readonly error: BankError;
  /** How many in a row, this one counted. */
  readonly failures: number;
  /** When it is tried again; undefined for the last poll of a run, which is not. */
  readonly retryDelayMs: number | undefined;
  /** `jti`s that cannot be reported to the bank: it refused each of them alone with 413. It offers them again. */
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

// The longest that a timer of Node holds.
const TIMER_MS_MAX = 2_147_483_647;

/** Gives every setting its default. @throws {RangeError} for a number out of its range */
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
  const value = settings[name] ?? byDefault;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} must be a whole number from ${min} to ${max}`);
}
