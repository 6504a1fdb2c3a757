import { cutText, fitText, isLongerThan, textFault } from '@tidings/protocol';
import { retryDelayMs } from '../backoff.ts';
import { BankError } from '../bank/bank-error.ts';
import type { PollAnswer } from '../bank/event-polling.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { REMEDIES } from '../notification/remedies.ts';
import { forEachConcurrently } from './concurrency.ts';
import { verifyOffered } from './offered-sets.ts';
import { isLasting, isTooLarge, isTooMuch } from './poll-failures.ts';
import type { PollerLimits, PollerSettings, RefusedSet } from './poller-options.ts';
import { bytesOfBatch, createReports, type ReportBatch, type Reports } from './reports.ts';

/** Dependencies of {@link runPollLoop}. */
export interface PollLoop {
  readonly settings: PollerSettings;
  readonly limits: PollerLimits;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  /** Maximum number of notifications handled at once. */
  readonly concurrency: number;
  /** Handles one verified notification, once. Resolves when it may be acknowledged. */
  take(notification: EventNotification): Promise<void>;
  /** Ends the loop once the bank has nothing more to offer, or offers only what could not be finished. Default false. */
  readonly catchesUp?: boolean;
  /** Builds the report to the bank for a notification whose handler failed; by default none is sent. */
  reportFailure?: PollerSettings['reportHandlerFailure'];
}

/** The result of a poll loop. */
export interface PollOutcome {
  /** Number of notifications that were finished and are acknowledged. */
  readonly finished: number;
  /** Number of SETs that were offered and not finished: rejected, or their handler failed. */
  readonly unfinished: number;
  /** Whether the bank said that it had nothing more. */
  readonly isCaughtUp: boolean;
}

interface Progress {
  readonly reports: Reports;
  readonly finished: Set<string>;
  readonly unfinished: Set<string>;
  isCaughtUp: boolean;
  /** Consecutive polls that failed or made no progress. */
  failures: number;
  maxEvents: number;
  /** Maximum size of the reports in the body of one poll. */
  reportBytesMax: number;
}

// An ASPSP that responds faster than this does not hold the poll.
const HELD_MS_MIN = 1000;
const CODE_CHARS_MAX = 40;
const DESCRIPTION_CHARS_MAX = 256;
const JTI_CHARS_MAX = 128;
// Size of the members of a poll besides its reports.
const OTHER_MEMBERS_BYTES = 128;

/** Only a loop that ends has to count: one that runs for months must not remember every `jti`. */
class Uncounted extends Set<string> {
  override add(): this {
    return this;
  }
}

/**
 * Polls, verifies the SETs, hands over the notifications and reports their outcome with the next poll, until the signal
 * is aborted, or the loop has caught up. Then it reports what is finished and resolves.
 *
 * @throws {BankError} when further polls would fail as well
 */
export async function runPollLoop(loop: PollLoop): Promise<PollOutcome> {
  const { maxEvents, requestBytesMax } = loop.limits;
  const reportBytesMax = requestBytesMax - OTHER_MEMBERS_BYTES;
  const [finished, unfinished] = loop.catchesUp
    ? [new Set<string>(), new Set<string>()]
    : [new Uncounted(), new Uncounted()];
  const counted = { finished, unfinished, isCaughtUp: false };
  const progress: Progress = { reports: createReports(), failures: 0, maxEvents, reportBytesMax, ...counted };
  while (!loop.signal.aborted) {
    const delayMs = await pollOnce(loop, progress);
    if (delayMs === undefined) break;
    if (delayMs > 0) await loop.limits.wait(delayMs, loop.signal);
  }
  await tellWhatIsLeft(loop, progress);
  return { finished: finished.size, unfinished: unfinished.size, isCaughtUp: progress.isCaughtUp };
}

/** @returns delay before the next poll, in milliseconds; undefined when the loop has caught up as far as it can */
async function pollOnce(loop: PollLoop, progress: Progress): Promise<number | undefined> {
  const { settings, limits, signal, catchesUp = false } = loop;
  const { requestTimeoutMs, responseBytesMax } = limits;
  const returnImmediately = limits.returnImmediately || catchesUp;
  const { reports } = progress;
  const batch = reports.next(progress.reportBytesMax);
  const maxEvents = reports.hasMoreThan(batch) ? 0 : progress.maxEvents;
  const askedAtMs = limits.now();
  let answer: PollAnswer;
  try {
    const request = { maxEvents, returnImmediately: returnImmediately || maxEvents === 0, ...batch };
    answer = await settings.bank.events.poll(request, { requestTimeoutMs, responseBytesMax, signal });
  } catch (error) {
    if (signal.aborted) return 0;
    return delayAfterFailure(error, batch, loop, progress);
  }
  reports.reported(batch);
  if (maxEvents === 0) return 0;
  const isEmpty = answer.sets.size === 0;
  const isFurther = isEmpty ? !answer.moreAvailable : await takeAll(answer, batch, loop, progress);
  if (catchesUp && (!answer.moreAvailable || !isFurther)) {
    progress.isCaughtUp = !answer.moreAvailable && !signal.aborted;
    return undefined;
  }
  if (isFurther) {
    progress.failures = 0;
    const heldMs = limits.now() - askedAtMs;
    return isEmpty && heldMs < HELD_MS_MIN ? limits.pollIntervalMs : 0;
  }
  // Back off when the bank returns the same SETs again at once, or none although it claims to have some.
  progress.failures += 1;
  return retryDelayMs(progress.failures, limits);
}

function delayAfterFailure(error: unknown, batch: ReportBatch, loop: PollLoop, progress: Progress): number {
  const { settings, limits } = loop;
  if (!(error instanceof BankError) || isLasting(error)) throw error;
  progress.failures += 1;
  if (isTooLarge(error)) progress.maxEvents = Math.max(1, Math.floor(progress.maxEvents / 2));
  const givenUp = isTooMuch(error) ? tellLess(batch, progress) : [];
  const delayMs = retryDelayMs(progress.failures, limits, error.retryAfterMs);
  const failure = { error, failures: progress.failures, retryDelayMs: delayMs, givenUp };
  quietly(() => settings.onPollFailed?.(failure));
  return delayMs;
}

/**
 * Halves the size of the next polls, after the bank rejected one as too large. A report that is too large on its own is
 * dropped; the bank returns its SET again.
 *
 * @returns the `jti`s whose reports are dropped
 */
function tellLess(batch: ReportBatch, progress: Progress): readonly string[] {
  const jtis = [...batch.ack, ...batch.setErrs.map(({ jti }) => jti)];
  if (jtis.length === 1) {
    progress.reports.reported(batch);
    return jtis;
  }
  // Without reports there is nothing to reduce; the cause may be temporary.
  if (jtis.length > 1) progress.reportBytesMax = Math.min(progress.reportBytesMax, Math.floor(bytesOfBatch(batch) / 2));
  return [];
}

/** @returns whether a notification was finished that this poll had not already acknowledged */
async function takeAll(
  answer: PollAnswer,
  reported: ReportBatch,
  loop: PollLoop,
  { reports, finished, unfinished }: Progress,
): Promise<boolean> {
  const { interactionId } = answer;
  const { notifications, unverified } = await verifyOffered(answer, loop.settings);
  for (const { jti, error } of unverified) {
    unfinished.add(jti);
    refuse({ jti, error, interactionId }, loop, reports);
  }
  const reportedBefore = new Set(reported.ack);
  let isFurther = false;
  await forEachConcurrently(notifications, loop.concurrency, async (notification) => {
    const { jti } = notification;
    if (loop.signal.aborted) return;
    try {
      await loop.take(notification);
      reports.acknowledge(jti);
      finished.add(jti);
      unfinished.delete(jti);
      isFurther ||= !reportedBefore.has(jti);
    } catch (error) {
      unfinished.add(jti);
      refuse({ jti, error, interactionId, notification }, loop, reports);
    }
  });
  return isFurther;
}

interface Failed {
  readonly jti: string;
  readonly error: unknown;
  readonly interactionId: string;
  /** Given when the SET was verified. */
  readonly notification?: EventNotification;
}

/** Reports a rejected SET to the bank. A notification whose handler failed is left for the bank to return again. */
function refuse({ jti, error, interactionId, notification }: Failed, loop: PollLoop, reports: Reports): void {
  const { code, message, cause } =
    error instanceof NotificationError
      ? error
      : new NotificationError('handler_failed', 'The handler failed.', { cause: error });
  const report =
    notification === undefined ? reportOf(code, message) : quietly(() => loop.reportFailure?.(notification, cause));
  // An invalid jti or text would make the bank reject the whole poll.
  const isReported = report !== undefined && isJti(jti);
  if (isReported) {
    const err = reportText(report.err, CODE_CHARS_MAX) || code;
    reports.refuse({ jti, err, description: reportText(report.description, DESCRIPTION_CHARS_MAX) || message });
  }
  const remedy = REMEDIES[code];
  const refused = { code, message, remedy, jti: cutText(jti, JTI_CHARS_MAX), isReported, interactionId };
  quietly(() => loop.settings.onRefused?.({ ...refused, ...(cause !== undefined && { cause }) } satisfies RefusedSet));
}

function isJti(text: string): boolean {
  return text !== '' && !isLongerThan(text, JTI_CHARS_MAX) && textFault(text) === undefined;
}

/** Converts a text from the TPP to the form that the bank accepts. */
function reportText(given: unknown, charsMax: number): string {
  return fitText(cutText(String(given ?? ''), charsMax));
}

function reportOf(code: NotificationError['code'], message: string): { err: string; description: string } | undefined {
  return code === 'keys_unavailable' ? undefined : { err: code, description: message };
}

/**
 * Sends the remaining reports without retries, except for a poll that was too large. The bank returns unreported SETs
 * again, and they are then recognised as handled.
 */
async function tellWhatIsLeft({ settings, limits }: PollLoop, progress: Progress): Promise<void> {
  const { responseBytesMax } = limits;
  const { reports } = progress;
  while (reports.hasAny()) {
    const batch = reports.next(progress.reportBytesMax);
    try {
      await settings.bank.events.poll({ maxEvents: 0, returnImmediately: true, ...batch }, { responseBytesMax });
      reports.reported(batch);
    } catch (error) {
      if (!(error instanceof BankError)) throw error;
      const isGoingOn = isTooMuch(error);
      const givenUp = isGoingOn ? tellLess(batch, progress) : [];
      quietly(() => settings.onPollFailed?.({ error, failures: 1, retryDelayMs: isGoingOn ? 0 : undefined, givenUp }));
      if (!isGoingOn) return;
    }
  }
}

/** Ignores errors of the TPP's own observers, which must not stop polling. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
