import assert from 'node:assert/strict';
import type pg from 'pg';
import type { Row } from '../rows.ts';
import { fnv1a } from '../shared.ts';
import { type StoreConnections, StoreError } from '../store.ts';
import {
  asStoreError,
  type ConnectionOptions,
  codeOf,
  type DatabasePool,
  isWorthRepeating,
  TIMEOUT_MARGIN_MS,
  TRANSACTION_SETTINGS,
} from './connection.ts';

/** Values of a statement. Rows go in as one JSON document each, see {@link jsonOf}. */
export type Values = readonly (string | number | boolean | readonly string[] | readonly number[] | null)[];

export interface TransactionOptions {
  readonly locks?: Locks;
  /** Moves rows in bulk: may take longer than other statements. */
  readonly isBulk?: boolean;
}

/** A transaction that is open. */
export interface Transaction {
  /** Runs one statement. Statements that do not need its result may be sent at once, without waiting. */
  query(text: string, values?: Values): Promise<Row[]>;
  /** Runs the last statement and commits, in one round trip. */
  last(text: string, values?: Values): Promise<Row[]>;
}

/** Thrown within a transaction that another one has overtaken, so that it has to be repeated. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

const REPEATS_MAX = 8;
const BULK_TIMEOUT_MS = 600_000;

/** Runs transactions on the pool. READ COMMITTED: what must not change meanwhile is locked by name. */
export class Database {
  readonly #pool: DatabasePool;
  readonly #statementTimeoutMs: number;
  readonly #isPooled: boolean;

  constructor(pool: DatabasePool, options: Pick<ConnectionOptions, 'statementTimeoutMs' | 'isPooled'>) {
    this.#pool = pool;
    this.#statementTimeoutMs = options.statementTimeoutMs;
    this.#isPooled = options.isPooled;
  }

  /**
   * Runs `work` in a transaction and commits. The transaction is repeated, a bounded number of times, after a deadlock or when
   * it was {@link Overtaken}: `work` must be repeatable.
   *
   * @throws {StoreError} when the database refused or is away. Nothing was kept, unless the connection broke just while
   * the commit was under way: then that is not known. Publishing again under the same id and recording again under the
   * same lease are harmless.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return repeatedly(() => this.#once(work, options));
  }

  /** One statement that reads rows by their primary keys: it needs nothing around it. Repeated as a transaction is. */
  queryByKey(text: string, values: Values = []): Promise<Row[]> {
    return repeatedly(() => this.#queryOnce(text, values));
  }

  /** One statement that reads, in one round trip. */
  query(text: string, values?: Values): Promise<Row[]> {
    return this.transaction((transaction) => transaction.last(text, values));
  }

  async #queryOnce(text: string, values: Values): Promise<Row[]> {
    const client = await this.#connect();
    try {
      const query: Query = { ...queryOf(text, values, this.#isPooled), query_timeout: this.#statementTimeoutMs };
      const { rows } = await client.query<Row>(query);
      client.release();
      return rows;
    } catch (error) {
      const cause = asStoreError(error);
      client.release(cause);
      throw cause;
    }
  }

  async #once<T>(work: (transaction: Transaction) => Promise<T>, options: TransactionOptions): Promise<T> {
    const client = await this.#connect();
    const begin = { text: this.#begin(options), timeoutMs: this.#timeoutMs(options), isPooled: this.#isPooled };
    const transaction = new OpenTransaction(client, begin);
    try {
      const result = await work(transaction);
      await transaction.commit();
      client.release();
      return result;
    } catch (error) {
      const cause = await transaction.rollBack(error);
      // After an error of a statement it is not known which others the connection still has prepared.
      client.release(isOfDatabase(cause) ? cause : undefined);
      throw cause;
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.acquire();
    } catch (error) {
      throw asStoreError(error);
    }
  }

  #timeoutMs({ isBulk = false }: TransactionOptions): number {
    return isBulk ? Math.max(BULK_TIMEOUT_MS, this.#statementTimeoutMs) : this.#statementTimeoutMs;
  }

  #begin(options: TransactionOptions): string {
    const timeout = String(this.#timeoutMs(options));
    const timeouts = { statement_timeout: timeout, idle_in_transaction_session_timeout: timeout };
    const settings = {
      ...(this.#isPooled && TRANSACTION_SETTINGS),
      ...((this.#isPooled || options.isBulk === true) && timeouts),
    };
    const set = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', true)`);
    return `BEGIN;${set.length === 0 ? '' : ` SELECT ${set.join(', ')};`}${lockStatement(options.locks)}`;
  }

  connections(): StoreConnections {
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { open, idle, waiting };
  }

  /** Ends all connections once their statements have ended. */
  close(): Promise<void> {
    return this.#pool.end();
  }
}

/** Repeats what lost in a deadlock, or was overtaken. */
async function repeatedly<T>(attempt: () => Promise<T>): Promise<T> {
  for (let repeats = 0; ; repeats += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isWorthRepeating(error) && !(error instanceof Overtaken)) throw error;
      if (repeats === REPEATS_MAX) throw new StoreError('too many others at once', { cause: error });
    }
  }
}

/** A statement failed, whatever is made of it. */
function isOfDatabase(error: unknown): error is Error {
  return error instanceof StoreError || (error instanceof Overtaken && error.cause instanceof StoreError);
}

/** How a transaction begins. */
interface Begin {
  readonly text: string;
  readonly timeoutMs: number;
  readonly isPooled: boolean;
}

class OpenTransaction implements Transaction {
  readonly #client: pg.PoolClient;
  readonly #timeoutMs: number;
  readonly #isPooled: boolean;
  readonly #begun: Promise<unknown>;
  #ended = false;

  constructor(client: pg.PoolClient, begin: Begin) {
    this.#client = client;
    this.#timeoutMs = begin.timeoutMs + TIMEOUT_MARGIN_MS;
    this.#isPooled = begin.isPooled;
    this.#begun = this.#send(begin.text);
    // Looked at when the transaction ends.
    this.#begun.catch(() => undefined);
  }

  async query(text: string, values?: Values): Promise<Row[]> {
    assert(!this.#ended, 'the transaction has ended');
    const { rows } = await this.#send(text, values);
    return rows;
  }

  async last(text: string, values?: Values): Promise<Row[]> {
    const rows = this.query(text, values);
    rows.catch(() => undefined);
    const committed = this.commit();
    committed.catch(() => undefined);
    // The reason why the statement failed goes before that the commit did.
    const answer = await rows;
    await committed;
    return answer;
  }

  async commit(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const { command } = await this.#send('COMMIT');
    if (command !== 'COMMIT') throw new StoreError('the transaction was not committed');
  }

  /** @returns why the transaction failed: the first reason */
  async rollBack(error: unknown): Promise<unknown> {
    const first = await this.#begun.then(
      () => error,
      (reason: unknown) => reason,
    );
    if (this.#ended || !isOfStatement(first)) return first;
    this.#ended = true;
    return this.#send('ROLLBACK').then(
      () => first,
      () => first,
    );
  }

  async #send(text: string, values?: Values): Promise<pg.QueryResult> {
    try {
      const query: Query = { ...queryOf(text, values, this.#isPooled), query_timeout: this.#timeoutMs };
      return await this.#client.query(query);
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** A statement as the driver takes it; the time after which it is given up is missing in its types. */
type Query = pg.QueryConfig & { query_timeout?: number };

// Statements that were prepared, by their text.
const names = new Map<string, string>();

/** A statement with values is one of few: the server keeps its plan, where the connection stays ours. */
function queryOf(text: string, values: Values | undefined, isPooled: boolean): Query {
  if (values === undefined) return { text };
  if (isPooled) return { text, values: [...values] };
  const name = names.get(text) ?? `tidings_${names.size}`;
  names.set(text, name);
  return { text, values: [...values], name };
}

/** The statement failed, or the work on it; the connection can still be asked. */
function isOfStatement(error: unknown): boolean {
  if (!(error instanceof StoreError)) return true;
  const code = codeOf(error);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(?:08|57P|25P03)/.test(code);
}

/**
 * Locks that a transaction holds until it ends. In memory of the server only: nothing is written for it, and it works
 * behind a transaction pooler.
 */
export interface Locks {
  /** TPPs whose registration, suspension and existence must not change meanwhile. */
  readonly unchanged?: Iterable<string>;
  /** The TPP whose registration, suspension or existence this changes. */
  readonly changing?: string;
  /** The TPP that polls: one poll at a time, so that no two are offered the same. */
  readonly polling?: string;
  /** This appends to the activity log: one at a time, so that ids are in the order of the commits. */
  readonly appending?: true;
}

// Names of advisory locks: the first number says what kind it is ("Tdng" and one more), the second which.
const REGISTRATIONS = 0x54_64_6e_68;
const POLLS = 0x54_64_6e_69;
const ACTIVITY = 0x54_64_6e_6b;
export const MIGRATING = 0x54_64_6e_6a;
// Bounds how many locks a batch holds. Two TPPs that share a lock wait for each other's registration changes, no more.
const BUCKETS = 64;

/** SQL that takes the locks, in a fixed order, before anything is read; empty where there are none. */
export function lockStatement(locks: Locks | undefined): string {
  const calls: string[] = [];
  if (locks?.changing !== undefined) {
    calls.push(`pg_advisory_xact_lock(${REGISTRATIONS}, ${bucketOf(locks.changing)})`);
  }
  const buckets = [...new Set([...(locks?.unchanged ?? [])].map(bucketOf))].sort((left, right) => left - right);
  for (const bucket of buckets) calls.push(`pg_advisory_xact_lock_shared(${REGISTRATIONS}, ${bucket})`);
  if (locks?.polling !== undefined) calls.push(`pg_advisory_xact_lock(${POLLS}, ${fnv1a(locks.polling)})`);
  if (locks?.appending === true) calls.push(`pg_advisory_xact_lock(${ACTIVITY}, 0)`);
  return calls.length === 0 ? '' : ` SELECT ${calls.join(', ')};`;
}

function bucketOf(clientId: string): number {
  return (fnv1a(clientId) >>> 0) % BUCKETS;
}

/** SQL that inserts rows, given as {@link jsonOf} the columns of each. */
export function insertInto(table: string, columns: string): string {
  return `INSERT INTO ${table} (${columns})
    SELECT ${columns} FROM json_populate_recordset(NULL::${table}, $1::json)`;
}

// PostgreSQL keeps any character but this one.
const NUL = '\0';

/** Text as PostgreSQL can keep it. */
export function storable(value: string): string {
  return value.includes(NUL) ? value.replaceAll(NUL, '\ufffd') : value;
}

/** Rows as one parameter, for `json_to_recordset`. */
export function jsonOf(rows: readonly object[]): string {
  const json = JSON.stringify(rows);
  // Escaped once it is a NUL of a value, escaped twice it is within JSON that is itself a value, and harmless.
  if (!/(?<!\\)(?:\\\\)*\\u0000/.test(json)) return json;
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value));
}

/** Anything that statements can be asked of: a transaction, or one for the statement alone. */
export interface Queryable {
  query(statement: string, values?: Parameters<Transaction['query']>[1]): Promise<Row[]>;
}
