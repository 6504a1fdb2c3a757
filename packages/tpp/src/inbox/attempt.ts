import { retryDelayMs } from '../backoff.ts';
import { runAfter } from '../clock.ts';
import type { EventNotification } from '../notification/event-notification.ts';
import { safeText } from '../safe-text.ts';
import { unlessAborted } from '../unless-aborted.ts';
import { DeadLetterError, InboxError } from './inbox-error.ts';
import type { InboxFailure, InboxLimits, InboxOptions } from './inbox-options.ts';
import type { AttemptOutcome, ClaimedNotification } from './inbox-store.ts';
import { fromStore } from './stored-notification.ts';

const REASON_CHARS_MAX = 500;

/** The result of an attempt: nothing to record, or a failure. */
type Attempted =
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly cause: unknown }
  /** The store failed before the handler was called. */
  | { readonly kind: 'not-begun'; readonly cause: unknown };

/**
 * Makes one attempt: reads the notification, prepares, and runs the handler in its transaction. Records a failure.
 *
 * @returns the failure to report; undefined when it was handled, or belongs to another process by now
 * @throws errors of the store while it records the failure: the lease then ends by itself
 */
export async function attempt<Transaction, Prepared>(
  claim: ClaimedNotification,
  options: InboxOptions<Transaction, Prepared>,
  limits: InboxLimits,
): Promise<InboxFailure | undefined> {
  let notification: EventNotification | undefined;
  let attempted: Attempted;
  try {
    notification = fromStore(claim);
    attempted =
      claim.attempt > limits.attemptsMax
        ? { kind: 'failed', cause: new DeadLetterError(endedWithProcess(claim.attempt - 1)) }
        : await handle(notification, claim, options, limits);
  } catch (cause) {
    attempted = { kind: 'failed', cause };
  }
  if (attempted.kind === 'finished') return undefined;
  const outcome = outcomeOf(attempted, claim, limits);
  await options.store.fail(claim, outcome);
  const { cause } = attempted;
  const retryAtMs = outcome.kind === 'dead' ? undefined : outcome.dueAtMs;
  const kind = outcome.kind === 'released' ? 'inbox' : outcome.kind;
  return { kind, notification, attempt: claim.attempt, retryAtMs, cause };
}

async function handle<Transaction, Prepared>(
  notification: EventNotification,
  claim: ClaimedNotification,
  { store, prepare, onNotification }: InboxOptions<Transaction, Prepared>,
  { timeoutMs, now }: InboxLimits,
): Promise<Attempted> {
  const { attempt: number, isLate } = claim;
  const ending = new AbortController();
  const { signal } = ending;
  const why = `prepare and onNotification took longer than timeoutMs (${timeoutMs} ms).`;
  const cancel = runAfter(timeoutMs, () => ending.abort(new InboxError('timeout', why)));
  let hasBegun = false;
  try {
    const prepared = await unlessAborted(prepareBy(prepare, notification, { attempt: number, signal }), signal);
    const work = (transaction: Transaction) => {
      hasBegun = true;
      return onNotification(notification, { transaction, prepared, attempt: number, isLate });
    };
    try {
      await store.handle(claim, now(), work, signal);
      return { kind: 'finished' };
    } catch (cause) {
      return { kind: hasBegun ? 'failed' : 'not-begun', cause };
    }
  } catch (cause) {
    return { kind: 'failed', cause };
  } finally {
    cancel();
  }
}

async function prepareBy<Prepared>(
  prepare: InboxOptions<never, Prepared>['prepare'],
  notification: EventNotification,
  context: { attempt: number; signal: AbortSignal },
): Promise<Prepared> {
  // Without prepare, Prepared is undefined: see createInbox.
  return (await prepare?.(notification, context)) as Prepared;
}

/** A handler that has ended its own transaction, or still runs beside it, has had effects: it is not called again. */
const LASTING: readonly string[] = ['transaction_ended', 'handler_not_synchronous', 'invalid_row'];

function outcomeOf(
  { kind, cause }: Exclude<Attempted, { kind: 'finished' }>,
  { attempt: number }: ClaimedNotification,
  limits: InboxLimits,
): AttemptOutcome {
  const nowMs = limits.now();
  if (kind === 'not-begun') return { kind: 'released', dueAtMs: nowMs + retryDelayMs(1, limits) };
  const reason = describe(cause);
  const isLasting = cause instanceof DeadLetterError || (cause instanceof InboxError && LASTING.includes(cause.code));
  if (isLasting || number >= limits.attemptsMax) return { kind: 'dead', nowMs, reason };
  return { kind: 'retry', dueAtMs: nowMs + retryDelayMs(number, limits), reason };
}

function describe(cause: unknown): string {
  const text =
    cause instanceof Error ? `${cause.name}: ${cause.message}` : `a value of type ${typeof cause} was thrown`;
  return safeText(text, REASON_CHARS_MAX);
}

function endedWithProcess(attempts: number): string {
  return `Each of ${attempts} attempts ended without an outcome: the process was killed or lost its database meanwhile.`;
}
