import { InboxError } from './inbox-error.ts';
import type { Row } from './rows.ts';

/** The result of a query. */
export interface PostgresResult {
  readonly rows: readonly Row[];
  /** Number of rows that the statement returned or changed. */
  readonly rowCount: number | null;
}

/** The members of a client of the package `pg` that the inbox needs. */
export interface PostgresClient {
  query(sql: string, values?: unknown[]): Promise<PostgresResult>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  /** @param destroy true, or an error: the connection is closed instead of returned to the pool */
  release(destroy?: Error | boolean): void;
}

/**
 * The members of a pool of connections that the inbox needs. A `Pool` of the package `pg` is one; `Client` is the type
 * of its clients, which the handler gets.
 */
export interface PostgresPool<Client extends PostgresClient = PostgresClient> {
  connect(): Promise<Client>;
  query(sql: string, values?: unknown[]): Promise<PostgresResult>;
}

/** Ends a transaction: commits it and returns the result, or rolls it back. */
type Ending<T> = { readonly commit: T } | { readonly rollBack: T };

/**
 * Runs the action in a transaction (READ COMMITTED). Rolled back when the action rejects. A connection in doubt is
 * closed, not returned to the pool.
 */
export async function inTransaction<Client extends PostgresClient, T>(
  pool: PostgresPool<Client>,
  action: (client: Client) => Promise<Ending<T>>,
): Promise<T> {
  const client = await pool.connect();
  // Without a listener, a connection that breaks meanwhile would end the process. The next query rejects.
  const ignore = () => undefined;
  client.on('error', ignore);
  let isInDoubt = true;
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const ending = await action(client);
    await client.query('commit' in ending ? 'COMMIT' : 'ROLLBACK');
    isInDoubt = false;
    return 'commit' in ending ? ending.commit : ending.rollBack;
  } catch (error) {
    isInDoubt = !(await isRolledBack(client, error));
    throw error;
  } finally {
    client.removeListener('error', ignore);
    client.release(isInDoubt);
  }
}

/** Closing the connection rolls back too. After a timeout nothing else helps: the handler may still be querying. */
async function isRolledBack(client: PostgresClient, error: unknown): Promise<boolean> {
  if (error instanceof InboxError && error.code === 'timeout') return false;
  return await client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}
