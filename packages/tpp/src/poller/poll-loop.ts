import { BankError } from '../bank/bank-error.ts';
import type { PollAnswer } from '../bank/event-polling.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import { NotificationError } from '../notification/notification-error.ts';
import { forEachConcurrently } from './concurrency.ts';
import { verifyOffered } from './offered-sets.ts';
import type { PollerLimits, PollerSettings, RefusedSet } from './poller-options.ts';
import { createReports, type ReportBatch, type Reports } from './reports.ts';
import { isLasting, isTooLarge, retryDelayMs } from './retry-delay.ts';

/** What one run of the loop works with. */
export interface PollLoop {
  readonly settings: PollerSettings;
  readonly limits: PollerLimits;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  /** How many notifications are taken at once. */
  readonly concurrency: number;
  /** Takes one verified notification, once. Resolves when it may be acknowledged. */
  take(notification: EventNotification): Promise<void>;
  /** What the bank is told of one that was not taken; nothing when left out. */
  reportFailure?: PollerSettings['reportHandlerFailure'];
}

interface Progress {
  readonly reports: Reports;
  /** Polls in a row that failed or got nowhere. */
  failures: number;
  maxEvents: number;
}

// An ASPSP that holds a poll for less than this does not hold it.
const HELD_MS_MIN = 1000;
const CODE_CHARS_MAX = 40;
const DESCRIPTION_CHARS_MAX = 256;
const JTI_CHARS_MAX = 128;

/**
 * Polls, verifies, hands over, and tells the bank with the next poll what came of it, until the signal ends it; then it
 * tells what is finished, and resolves.
 *
 * @returns rejects with the `BankError` that makes further polls pointless
 */
export async function runPollLoop(loop: PollLoop): Promise<void> {
  const progress: Progress = { reports: createReports(), failures: 0, maxEvents: loop.limits.maxEvents };
  while (!loop.signal.aborted) {
    const delayMs = await pollOnce(loop, progress);
    if (delayMs > 0) await loop.limits.wait(delayMs, loop.signal);
  }
  await tellWhatIsLeft(loop, progress.reports);
}

/** @returns how long to wait before the next poll */
async function pollOnce(loop: PollLoop, progress: Progress): Promise<number> {
  const { settings, limits, signal } = loop;
  const { returnImmediately, requestTimeoutMs, responseBytesMax } = limits;
  const { reports } = progress;
  const batch = reports.next();
  const maxEvents = reports.hasMoreThanOneBatch() ? 0 : progress.maxEvents;
  const askedAtMs = limits.now();
  let answer: PollAnswer;
  try {
    const request = { maxEvents, returnImmediately: returnImmediately || maxEvents === 0, ...batch };
    answer = await settings.bank.events.poll(request, { requestTimeoutMs, responseBytesMax, signal });
  } catch (error) {
    if (signal.aborted) return 0;
    return delayAfterFailure(error, loop, progress);
  }
  reports.told(batch);
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

function delayAfterFailure(error: unknown, { settings, limits }: PollLoop, progress: Progress): number {
  if (!(error instanceof BankError) || isLasting(error)) throw error;
  progress.failures += 1;
  if (isTooLarge(error)) progress.maxEvents = Math.max(1, Math.floor(progress.maxEvents / 2));
  const delayMs = retryDelayMs(progress.failures, limits, error.retryAfterMs);
  quietly(() => settings.onPollFailed?.({ error, failures: progress.failures, retryDelayMs: delayMs }));
  return delayMs;
}

/** @returns whether any was finished that the bank had not been told of */
async function takeAll(answer: PollAnswer, told: ReportBatch, loop: PollLoop, reports: Reports): Promise<boolean> {
  const { interactionId } = answer;
  const { notifications, unverified } = await verifyOffered(answer, loop.settings);
  for (const { jti, error } of unverified) refuse({ jti, error, interactionId }, loop, reports);
  const toldBefore = new Set(told.ack);
  let isFurther = false;
  await forEachConcurrently(notifications, loop.concurrency, async (notification) => {
    const { jti } = notification;
    if (loop.signal.aborted) return;
    try {
      await loop.take(notification);
      reports.acknowledge(jti);
      isFurther ||= !toldBefore.has(jti);
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
  // A key that is no jti would make the bank refuse the whole poll.
  const isReported = report !== undefined && jti !== '' && jti.length <= JTI_CHARS_MAX;
  if (isReported) {
    const { err, description } = report;
    reports.refuse({
      jti,
      err: err.slice(0, CODE_CHARS_MAX),
      description: description.slice(0, DESCRIPTION_CHARS_MAX),
    });
  }
  const refused = { code, message, jti: jti.slice(0, JTI_CHARS_MAX), isReported, interactionId };
  quietly(() => loop.settings.onRefused?.({ ...refused, ...(cause !== undefined && { cause }) } satisfies RefusedSet));
}

function reportOf(code: NotificationError['code'], message: string): { err: string; description: string } | undefined {
  return code === 'keys_unavailable' ? undefined : { err: code, description: message };
}

/** Without a second try: what the bank is not told it offers again, and it is then known as handled. */
async function tellWhatIsLeft({ settings, limits }: PollLoop, reports: Reports): Promise<void> {
  const { responseBytesMax } = limits;
  while (reports.hasAny()) {
    const batch = reports.next();
    try {
      await settings.bank.events.poll({ maxEvents: 0, returnImmediately: true, ...batch }, { responseBytesMax });
    } catch (error) {
      if (!(error instanceof BankError)) throw error;
      quietly(() => settings.onPollFailed?.({ error, failures: 1, retryDelayMs: undefined }));
      return;
    }
    reports.told(batch);
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
