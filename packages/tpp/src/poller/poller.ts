import type { EventNotification } from '../notification/event-notification.ts';
import {
  createNotificationHandler,
  handlerOf,
  type NotificationHandler,
} from '../notification/notification-handler.ts';
import { createProblemLog } from '../notification/problem-log.ts';
import { checkTolerances } from '../notification/set-verifier.ts';
import { createHandover, LoopLeftError } from './handover.ts';
import { type PollLoop, type PollOutcome, runPollLoop } from './poll-loop.ts';
import {
  limitsOf,
  type PollerOptions,
  type PollerSettings,
  type PollFailure,
  type RefusedSet,
} from './poller-options.ts';

/** Collects the TPP's notifications from a bank. Supports one run, or one loop over it, at a time. */
export interface Poller {
  /**
   * Polls and hands every notification to the handler, until the signal is aborted or `stop` is called. Then the
   * current poll is aborted, running handlers finish, and a last poll acknowledges their notifications. Otherwise
   * acknowledgements are sent with the next poll, once all SETs of a response are handled.
   *
   * A failed poll is retried with a backoff: no connection, 5xx, 429, 408, 425, 413 (with a smaller body), a redirect
   * (not followed), or a response that does not match the schema of the standard.
   *
   * @returns resolves when stopped; rejects with `BankError` when a retry would be pointless: any other 4xx (403: there
   *   is no registration), a token that is refused or rejected, or a closed client
   * @throws {TypeError} when the poller is already running or has no handler
   */
  run(signal?: AbortSignal): Promise<void>;
  /**
   * Polls like `run` until the bank has nothing more to offer, for a TPP with a callback URL: at start and after an
   * outage it collects what could not be pushed. Requests immediate responses. Ends, too, when the bank offers only SETs
   * that are rejected or whose handler failed; it offers them again later. `keepCaughtUp` repeats it.
   *
   * @returns resolves when caught up or stopped; rejects like `run`
   */
  catchUp(signal?: AbortSignal): Promise<PollOutcome>;
  /**
   * Iterates over the verified notifications, one at a time, oldest first. A notification is finished when the next one
   * is requested; it is then stored as seen and acknowledged. `onNotification` is not called. Leaving the loop
   * (`break`, an error) stops polling: finished notifications are acknowledged, the current one is not, and the bank
   * returns it again. Ends or rejects like `run`. A notification that the receiver is handling at the same time is
   * awaited and skipped.
   */
  notifications(signal?: AbortSignal): AsyncGenerator<EventNotification, void, void>;
  /** Same as `notifications()`, for `for await (const notification of poller)`. */
  [Symbol.asyncIterator](): AsyncGenerator<EventNotification, void, void>;
  /**
   * Stops polling, like an aborted signal. Resolves when polling has ended, and never rejects. Do not await it inside a
   * handler or a loop over the notifications: it waits for them, which would be a deadlock.
   */
  stop(): Promise<void>;
}

type Taking = Pick<PollLoop, 'concurrency' | 'take' | 'reportFailure' | 'catchesUp'>;

interface Session {
  readonly ended: Promise<PollOutcome>;
  stop(): void;
}

/**
 * Creates the poller of one bank (rules, section 6; RFC 8936). It sends long polls over mutual TLS with the client's
 * access token. Every SET is verified as in the receiver, and handled once. A rejected SET is reported with a code of
 * RFC 8935. A notification whose handler failed is neither acknowledged nor reported, so the bank returns it again for
 * as long as it keeps it. Holds at most the SETs of one response. Does not connect before it runs.
 *
 * @throws {TypeError} when both `handler` and `onNotification` or `seen` are given, or for an unknown name in `tolerate`
 * @throws {RangeError} for a number out of range
 */
export function createPoller(options: PollerOptions): Poller {
  const limits = limitsOf(options);
  checkTolerances(options.tolerate);
  const settings = withLog(options);
  const handler = pollerHandlerOf(options);
  const canRun = options.handler !== undefined || options.onNotification !== undefined;
  let session: Session | undefined;

  function start(signal: AbortSignal | undefined, taking: Taking): Session {
    if (session !== undefined) throw new TypeError('the poller is already running');
    const controller = new AbortController();
    const stop = () => controller.abort();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const loop = { settings, limits, signal: controller.signal, ...taking };
    const ended = runPollLoop(loop).finally(() => {
      session = undefined;
      signal?.removeEventListener('abort', stop);
    });
    session = { ended, stop };
    return session;
  }

  async function* notifications(signal?: AbortSignal): AsyncGenerator<EventNotification, void, void> {
    // The loop passes notifications only after its first poll, when the handover exists.
    const running = start(signal, { concurrency: 1, take: (each) => handler.handle(each, handover.give) });
    const handover = createHandover(running.ended);
    try {
      for (let next = await handover.take(); next !== undefined; next = await handover.take()) {
        yield next;
        handover.finish();
      }
    } finally {
      handover.leave();
      running.stop();
      await running.ended;
    }
  }

  async function poll(signal: AbortSignal | undefined, catchesUp: boolean): Promise<PollOutcome> {
    if (!canRun) throw new TypeError('onNotification or handler is required');
    const { concurrency } = limits;
    const reportFailure: Taking['reportFailure'] = (...failed) => options.reportHandlerFailure?.(...failed);
    return await start(signal, { concurrency, take: (each) => handler.handle(each), reportFailure, catchesUp }).ended;
  }

  return {
    run: async (signal) => {
      await poll(signal, false);
    },
    catchUp: (signal) => poll(signal, true),
    notifications,
    [Symbol.asyncIterator]: () => notifications(),
    stop: async () => {
      const running = session;
      running?.stop();
      await running?.ended.catch(() => undefined);
    },
  };
}

/** Prints what the TPP does not observe itself, so that a poller never fails in silence. */
function withLog(options: PollerOptions): PollerSettings {
  const print = createProblemLog(options);
  const onRefused = (refused: RefusedSet) => {
    if (options.onRefused !== undefined) options.onRefused(refused);
    else if (!(refused.cause instanceof LoopLeftError))
      print({ ...refused, what: 'a notification of a poll was not acknowledged' });
  };
  const onPollFailed = (failure: PollFailure) => {
    if (options.onPollFailed !== undefined) return options.onPollFailed(failure);
    const { kind, status, message } = failure.error;
    const code = status === undefined ? kind : `${kind}, ${status}`;
    print({ what: 'a poll failed, and is repeated with a growing delay', code, message, remedy: undefined });
  };
  return { ...options, onRefused, onPollFailed };
}

function pollerHandlerOf(options: PollerOptions): NotificationHandler {
  if (options.handler !== undefined) return handlerOf(options);
  const { seen } = options;
  // Without onNotification only the iterator is used, which replaces it.
  const onNotification = (notification: EventNotification) => options.onNotification?.(notification);
  return createNotificationHandler({ ...(seen !== undefined && { seen }), onNotification });
}
