import { isJsonObject, parseStrictJson } from '@tidings/protocol';
import type pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { type Row, text, whole } from '../rows.ts';
import { NOBODY } from '../shared.ts';
import type { StoreChange } from '../store.ts';
import { DatabaseClient, type DatabaseConfig } from './connection.ts';
import type { Database } from './database.ts';

// Changes within this time go to other instances in one message: the server delivers messages one by one.
const GATHER_MS = 20;
// PostgreSQL takes less than 8000 bytes.
const PAYLOAD_BYTES_MAX = 7900;

/** How changes get to other instances, and theirs to this one. */
export interface ChangesOptions {
  readonly clock: Clock;
  /** Tells this instance from the others. */
  readonly instance: string;
  /** Sends a message to all instances that listen; undefined: none do. */
  readonly send: ((payload: string) => Promise<void>) | undefined;
}

/** Notifies listeners of changes: of those made here at once, of others when a message or a poll brings them. */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #offered = new Set<string>();
  #retargeted = new Set<string>();
  #isGathering = false;
  #isAlone = false;
  /** Messages of other instances so far. */
  #heard = 0;
  #cancel: (() => void) | undefined;

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  /** @returns removes the listener */
  listen(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something was changed here, and is committed. */
  announce({ offered = NOBODY, retargeted = NOBODY }: Partial<StoreChange>): void {
    if (offered.size + retargeted.size === 0) return;
    this.#fire({ offered, retargeted });
    if (this.#options.send === undefined || this.#isAlone) return;
    for (const clientId of offered) this.#offered.add(clientId);
    for (const clientId of retargeted) this.#retargeted.add(clientId);
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#cancel = this.#options.clock.after(GATHER_MS, () => this.#send());
  }

  /** Another instance changed something. */
  relay(change: StoreChange): void {
    if (change.offered.size + change.retargeted.size > 0) this.#fire(change);
  }

  /** @returns true when the message only says that much has changed: the database has to be polled */
  receive(payload: string): boolean {
    const message = readMessage(payload);
    if (message === undefined || message.instance === this.#options.instance) return false;
    this.#heard += 1;
    this.#isAlone = false;
    if (message.change === undefined) return true;
    this.relay(message.change);
    return false;
  }

  /** This instance listens from now on: the others hear of it, and tell it of their changes. */
  greet(): void {
    const { instance, send } = this.#options;
    send?.(JSON.stringify({ i: instance, o: [], r: [] })).catch(() => undefined);
  }

  /**
   * Sends nothing while nobody else listens.
   *
   * @param find whether this instance is the only one that listens
   */
  async noteAlone(find: () => Promise<boolean>): Promise<void> {
    const heard = this.#heard;
    // Where it cannot be found out, messages are sent: one too many harms nobody.
    const isAlone = await find().catch(() => false);
    this.#isAlone = isAlone && heard === this.#heard;
  }

  stop(): void {
    this.#cancel?.();
    this.#listeners.clear();
  }

  #fire(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** A lost message is made up for by polling. */
  #send(): void {
    this.#isGathering = false;
    const { instance, send } = this.#options;
    const payload = JSON.stringify({ i: instance, o: [...this.#offered], r: [...this.#retargeted] });
    this.#offered = new Set();
    this.#retargeted = new Set();
    const isShort = Buffer.byteLength(payload) <= PAYLOAD_BYTES_MAX;
    send?.(isShort ? payload : JSON.stringify({ i: instance })).catch(() => undefined);
  }
}

interface Message {
  readonly instance: string;
  /** Undefined: too many to name. */
  readonly change: StoreChange | undefined;
}

/** Whoever may connect to the database may send messages: what is not one of ours is passed over. */
function readMessage(payload: string): Message | undefined {
  let message: unknown;
  try {
    message = parseStrictJson(Buffer.from(payload));
  } catch {
    return undefined;
  }
  if (!isJsonObject(message) || typeof message['i'] !== 'string') return undefined;
  const { i: instance, o: offered, r: retargeted } = message;
  if (!Array.isArray(offered) || !Array.isArray(retargeted)) return { instance, change: undefined };
  return { instance, change: { offered: textsOf(offered), retargeted: textsOf(retargeted) } };
}

function textsOf(values: readonly unknown[]): ReadonlySet<string> {
  return new Set(values.filter((value) => typeof value === 'string'));
}

// TPPs that something may be offered to now: of each the first by the index.
const OFFERABLE = `
  WITH RECURSIVE c AS (
    (SELECT client_id FROM notification WHERE offer_at_ms IS NULL ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.client_id FROM notification n WHERE n.offer_at_ms IS NULL AND n.client_id > c.client_id
      ORDER BY n.client_id LIMIT 1) FROM c WHERE c.client_id IS NOT NULL)
  SELECT client_id FROM c WHERE client_id IS NOT NULL`;

// Says whether any target changed, appeared or went, without reading them all.
const DIGEST = 'SELECT count(*) AS count, coalesce(sum(revision), 0)::text AS sum, max(revision) AS max FROM target';

const LISTENER = 'tidings listener';

/** The name of the connection on which an instance listens. */
export function listenerName(instance: string): string {
  return `${LISTENER} ${instance}`;
}

const LISTENERS = `SELECT count(*) FILTER (WHERE application_name = $1)::int AS own, count(*)::int AS all_of_them
  FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, '${LISTENER}')`;

/** Whether an instance listens and no other one does; false where the server does not show it. */
export async function isAlone(database: Database, instance: string): Promise<boolean> {
  const [row] = await database.queryByKey(LISTENERS, [listenerName(instance)]);
  return row !== undefined && whole(row, 'own') === 1 && whole(row, 'all_of_them') === 1;
}

/** Polls the database for changes by other instances: it makes up for messages that are lost, or not sent at all. */
export class ChangePoller {
  readonly #database: Database;
  #digest = '';
  #revisions: ReadonlyMap<string, number> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** TPPs that something may be offered to, whether or not that is new, and those retargeted since the last poll. */
  async poll(): Promise<StoreChange> {
    const { offerable, digest } = await this.#database.transaction(async (transaction) => {
      const [offerable, [digest]] = await Promise.all([transaction.query(OFFERABLE), transaction.last(DIGEST)]);
      return { offerable, digest: JSON.stringify(digest) };
    });
    const isSame = digest === this.#digest;
    const retargeted = isSame ? new Set<string>() : await this.#retargeted();
    this.#digest = digest;
    return { offered: new Set(offerable.map((row) => text(row, 'client_id'))), retargeted };
  }

  async #retargeted(): Promise<Set<string>> {
    const rows = await this.#database.query('SELECT client_id, revision FROM target');
    const before = this.#revisions;
    const now = new Map(rows.map((row: Row) => [text(row, 'client_id'), whole(row, 'revision')]));
    this.#revisions = now;
    if (before === undefined) return new Set();
    const changed = [...now].filter(([clientId, revision]) => before.get(clientId) !== revision);
    const gone = [...before.keys()].filter((clientId) => !now.has(clientId));
    return new Set([...changed.map(([clientId]) => clientId), ...gone]);
  }
}

/** Where messages of other instances come in. */
export interface ListenerOptions {
  readonly config: DatabaseConfig;
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
