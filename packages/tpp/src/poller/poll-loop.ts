import { cutText, fitText, isLongerThan, textFault } from '@tidings/protocol';
import { BankError } from '../bank/bank-error.ts';
import type { PollAnswer } from '../bank/event-polling.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { forEachConcurrently } from './concurrency.ts';
import { verifyOffered } from './offered-sets.ts';
import type { PollerLimits, PollerSettings, RefusedSet } from './poller-options.ts';
import { bytesOfBatch, createReports, type ReportBatch, type Reports } from './reports.ts';
import { isLasting, isTooLarge, isTooMuch, retryDelayMs } from './retry-delay.ts';

/** Dependencies of one run of the loop. */
export interface PollLoop {
  readonly settings: PollerSettings;
  readonly limits: PollerLimits;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  /** How many notifications are taken at once. */
  readonly concurrency: number;
  /** Takes one verified notification, once. Resolves when it may be acknowledged. */
  take(notification: EventNotification): Promise<void>;
  /** The report to the bank about one that was not taken; none when left out. */
  reportFailure?: PollerSettings['reportHandlerFailure'];
}

interface Progress {
  readonly reports: Reports;
  /** Polls in a row that failed or got nowhere. */
  failures: number;
  maxEvents: number;
  /** The most bytes that the reports of one poll may take in its body. */
  reportBytesMax: number;
}

// An ASPSP that holds a poll for less than this does not hold it.
const HELD_MS_MIN = 1000;
const CODE_CHARS_MAX = 40;
const DESCRIPTION_CHARS_MAX = 256;
const JTI_CHARS_MAX = 128;
// The members of a poll beside its reports.
const OTHER_MEMBERS_BYTES = 128;

/**
 * Polls, verifies, hands over, and tells the bank with the next poll what came of it, until the signal ends it; then it
 * tells what is finished, and resolves.
 *
 * @returns rejects with the `BankError` that makes further polls pointless
 */
export async function runPollLoop(loop: PollLoop): Promise<void> {
  const { maxEvents, requestBytesMax } = loop.limits;
  const reportBytesMax = requestBytesMax - OTHER_MEMBERS_BYTES;
  const progress: Progress = { reports: createReports(), failures: 0, maxEvents, reportBytesMax };
  while (!loop.signal.aborted) {
    const delayMs = await pollOnce(loop, progress);
    if (delayMs > 0) await loop.limits.wait(delayMs, loop.signal);
  }
  await tellWhatIsLeft(loop, progress);
}

/** @returns how long to wait before the next poll */
async function pollOnce(loop: PollLoop, progress: Progress): Promise<number> {
  const { settings, limits, signal } = loop;
  const { returnImmediately, requestTimeoutMs, responseBytesMax } = limits;
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
  if (isEmpty ? !answer.moreAvailable : await takeAll(answer, batch, loop, reports)) {
    progress.failures = 0;
    const heldMs = limits.now() - askedAtMs;
    return isEmpty && heldMs < HELD_MS_MIN ? limits.pollIntervalMs : 0;
  }
  // A bank that offers the same SETs again at once, or none of those it says it has, must not be polled in a circle.
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
 * A poll was too long for the bank: the next ones tell half as much. What is too long alone is given up; the bank offers
 * those SETs again.
 *
 * @returns the `jti`s that are given up
 */
function tellLess(batch: ReportBatch, progress: Progress): readonly string[] {
  const jtis = [...batch.ack, ...batch.setErrs.map(({ jti }) => jti)];
  if (jtis.length === 1) {
    progress.reports.reported(batch);
    return jtis;
  }
  // Without reports there is nothing to lessen; what is in the way may pass.
  if (jtis.length > 1) progress.reportBytesMax = Math.min(progress.reportBytesMax, Math.floor(bytesOfBatch(batch) / 2));
  return [];
}

/** @returns whether any was finished that had not been reported to the bank */
async function takeAll(answer: PollAnswer, reported: ReportBatch, loop: PollLoop, reports: Reports): Promise<boolean> {
  const { interactionId } = answer;
  const { notifications, unverified } = await verifyOffered(answer, loop.settings);
  for (const { jti, error } of unverified) refuse({ jti, error, interactionId }, loop, reports);
  const reportedBefore = new Set(reported.ack);
  let isFurther = false;
  await forEachConcurrently(notifications, loop.concurrency, async (notification) => {
    const { jti } = notification;
    if (loop.signal.aborted) return;
    try {
      await loop.take(notification);
      reports.acknowledge(jti);
      isFurther ||= !reportedBefore.has(jti);
    } catch (error) {
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

/** A SET that is no good is reported to the bank; one that only the TPP failed on is left to be offered again. */
function refuse({ jti, error, interactionId, notification }: Failed, loop: PollLoop, reports: Reports): void {
  const { code, message, cause } =
    error instanceof NotificationError
      ? error
      : new NotificationError('handler_failed', 'The handler failed.', { cause: error });
  const report =
    notification === undefined ? reportOf(code, message) : quietly(() => loop.reportFailure?.(notification, cause));
  // A key that is no jti, and a text that is none, would make the bank refuse the whole poll.
  const isReported = report !== undefined && isJti(jti);
  if (isReported) {
    const err = reportText(report.err, CODE_CHARS_MAX) || code;
    reports.refuse({ jti, err, description: reportText(report.description, DESCRIPTION_CHARS_MAX) || message });
  }
  const refused = { code, message, jti: cutText(jti, JTI_CHARS_MAX), isReported, interactionId };
  quietly(() => loop.settings.onRefused?.({ ...refused, ...(cause !== undefined && { cause }) } satisfies RefusedSet));
}

function isJti(text: string): boolean {
  return text !== '' && !isLongerThan(text, JTI_CHARS_MAX) && textFault(text) === undefined;
}

/** A text from the TPP, in the form that the bank accepts. */
function reportText(given: unknown, charsMax: number): string {
  return fitText(cutText(String(given ?? ''), charsMax));
}

function reportOf(code: NotificationError['code'], message: string): { err: string; description: string } | undefined {
  return code === 'keys_unavailable' ? undefined : { err: code, description: message };
}

/** Without a second try, but for a poll that was too long: what is not reported the bank offers again, and it is then known as handled. */
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

/** A log of the TPP's that fails is no reason to stop polling. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
