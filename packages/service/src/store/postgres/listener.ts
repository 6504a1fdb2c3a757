import type pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { DatabaseClient } from './connection.ts';

/** Where messages of other instances come in. */
export interface ListenerOptions {
  readonly config: pg.ClientConfig;
  readonly channel: string;
  readonly clock: Clock;
  readonly onMessage: (payload: string) => void;
  /** It listens, for the first time or again: what was said before was missed. */
  readonly onListening: () => void;
  readonly onError: (error: unknown) => void;
}

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 10_000;

/**
 * Listens on a connection of its own, and again whenever that breaks, later each time.
 *
 * @returns ends it
 */
export function listenTo(options: ListenerOptions): () => Promise<void> {
  const { config, channel, clock, onMessage, onListening, onError } = options;
  let client: pg.Client | undefined;
  let retryMs = RETRY_MIN_MS;
  let isStopped = false;
  let cancel: (() => void) | undefined;
  const retry = (broken: pg.Client, error: unknown) => {
    if (client !== broken) return;
    client = undefined;
    broken.end().catch(() => undefined);
    if (isStopped) return;
    onError(error);
    cancel = clock.after(retryMs, connect);
    retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
  };
  const connect = () => {
    const fresh = new DatabaseClient(config);
    client = fresh;
    fresh.on('error', (error) => retry(fresh, error));
    fresh.on('end', () => retry(fresh, new Error('the connection ended')));
    fresh.on('notification', ({ payload }) => onMessage(payload ?? ''));
    fresh
      .connect()
      .then(() => fresh.query(`LISTEN ${channel}`))
      .then(
        () => {
          retryMs = RETRY_MIN_MS;
          if (!isStopped) onListening();
        },
        (error: unknown) => retry(fresh, error),
      );
  };
  connect();
  return async () => {
    isStopped = true;
    cancel?.();
    await client?.end().catch(() => undefined);
  };
}
