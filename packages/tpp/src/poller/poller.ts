import type { EventNotification } from '../notification/event-notification.ts';
import {
  createNotificationHandler,
  handlerOf,
  type NotificationHandler,
} from '../notification/notification-handler.ts';
import { createHandover } from './handover.ts';
import { type PollLoop, runPollLoop } from './poll-loop.ts';
import { limitsOf, type PollerOptions } from './poller-options.ts';

/** Collects the TPP's notifications from the bank. It does one thing at a time: one run, or one loop over it. */
export interface Poller {
  /**
   * Polls and hands every notification to the handler, until the signal is aborted or `stop` is called: then the poll
   * under way is aborted, what the handler has in hand is finished, and a last poll acknowledges it. What is acknowledged
   * is reported with the next poll, when all SETs of one answer are through.
   *
   * A failed poll is tried again with a backoff: no connection, 5xx, 429, 408, 425, 413 (with less in it), a redirect (which is not followed),
   * an answer that is not of the standard's shape.
   *
   * @returns resolves when it was stopped; rejects with `BankError` when polling on is pointless: any other 4xx (403:
   *   there is no registration), a token that is not given or not taken, a client that was closed
   * @throws {TypeError} when it runs already, or has no handler
   */
  run(signal?: AbortSignal): Promise<void>;
  /**
   * The notifications, verified, one at a time, oldest first. One counts as finished when the next one is asked for, and
   * is then remembered and acknowledged; `onNotification` is not called. Leaving the loop (`break`, an error) ends
   * polling: what was finished before is acknowledged, the notification in hand is not, and is offered again. Ends by
   * itself, or rejects, as `run` does. One that the receiver is handling at the moment is waited for and left out.
   */
  notifications(signal?: AbortSignal): AsyncGenerator<EventNotification, void, void>;
  /** The same as `notifications()`: `for await (const notification of poller)`. */
  [Symbol.asyncIterator](): AsyncGenerator<EventNotification, void, void>;
  /**
   * Ends what is running, as an aborted signal does. Resolves when it has ended, whatever it came to: so do not wait for
   * it inside a handler or a loop over the notifications, which it waits for in turn.
   */
  stop(): Promise<void>;
}

type Taking = Pick<PollLoop, 'concurrency' | 'take' | 'reportFailure'>;

interface Session {
  readonly ended: Promise<void>;
  stop(): void;
}

/**
 * Makes the poller of one bank (rules, section 6; RFC 8936): long polls over mutual TLS with the client's token; every
 * SET is verified as the receiver does it and handled once. One that fails is reported with a code of RFC 8935; one
 * that only the handler failed on is neither acknowledged nor reported, so that the bank offers it again, for as long as
 * the bank keeps it. Never holds more than the SETs of one answer. Connects to nothing before it runs.
 *
 * @throws {TypeError} when both `handler` and `onNotification` or `seen` are given
 * @throws {RangeError} for a number out of its range
 */
export function createPoller(options: PollerOptions): Poller {
  const limits = limitsOf(options);
  const handler = pollerHandlerOf(options);
  const canRun = options.handler !== undefined || options.onNotification !== undefined;
  let session: Session | undefined;

  function start(signal: AbortSignal | undefined, taking: Taking): Session {
    if (session !== undefined) throw new TypeError('the poller is running already');
    const controller = new AbortController();
    const stop = () => controller.abort();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const loop = { settings: options, limits, signal: controller.signal, ...taking };
    const ended = runPollLoop(loop).finally(() => {
      session = undefined;
      signal?.removeEventListener('abort', stop);
    });
    session = { ended, stop };
    return session;
  }

  async function* notifications(signal?: AbortSignal): AsyncGenerator<EventNotification, void, void> {
    // The loop begins to give only after its first poll, so the handover is there by then.
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

  return {
    run: async (signal) => {
      if (!canRun) throw new TypeError('onNotification, or handler, is missing');
      const { concurrency } = limits;
      const reportFailure: Taking['reportFailure'] = (...failed) => options.reportHandlerFailure?.(...failed);
      await start(signal, { concurrency, take: (each) => handler.handle(each), reportFailure }).ended;
    },
    notifications,
    [Symbol.asyncIterator]: () => notifications(),
    stop: async () => {
      const running = session;
      running?.stop();
      await running?.ended.catch(() => undefined);
    },
  };
}

function pollerHandlerOf(options: PollerOptions): NotificationHandler {
  if (options.handler !== undefined) return handlerOf(options);
  const { seen } = options;
  // Without onNotification there is only the iterator, which takes its place.
  const onNotification = (notification: EventNotification) => options.onNotification?.(notification);
  return createNotificationHandler({ ...(seen !== undefined && { seen }), onNotification });
}
