import type { Clock } from '../../base/clock.ts';
import { isTrue, text, whole } from '../rows.ts';
import { StoreError } from '../store.ts';
import type { Database } from './database.ts';

/** Facts that a PostgreSQL server and database report about themselves. */
export interface DatabaseFacts {
  /** As in 180004. */
  readonly versionNumber: number;
  readonly version: string;
  readonly encoding: string;
  readonly isEncrypted: boolean;
  readonly isLocal: boolean;
  readonly isSuperuser: boolean;
  /** It may make tables where Tidings' own are. */
  readonly mayCreate: boolean;
  /** A standby, or read-only otherwise. */
  readonly isReadOnly: boolean;
  /** Connections that this user may have at most in this database. */
  readonly connectionsMax: number;
  /** Of `fsync`, `full_page_writes` and `synchronous_commit`: those that are off. */
  readonly unsafe: readonly string[];
  /** How far the clock of the database is ahead of this machine's, in milliseconds; negative: behind. */
  readonly aheadMs: number;
}

const FACTS = `SELECT current_setting('server_version_num')::int AS version_number,
  current_setting('server_version') AS version,
  current_setting('server_encoding') AS encoding,
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
  coalesce(inet_client_addr() << inet '127.0.0.0/8' OR inet_client_addr() = inet '::1', true) AS is_local,
  rolsuper AS is_superuser,
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
  pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
  least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0),
    nullif(rolconnlimit, -1), nullif(datconnlimit, -1)) AS connections_max,
  concat_ws(',', CASE WHEN current_setting('fsync') = 'off' THEN 'fsync' END,
    CASE WHEN current_setting('full_page_writes') = 'off' THEN 'full_page_writes' END,
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'synchronous_commit' END) AS unsafe
  FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`;
const TIME = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms';

/** Asks a database how it is set up; changes nothing. @throws {StoreError} */
export async function inspectDatabase(
  database: Pick<Database, 'query'>,
  clock: Pick<Clock, 'nowMs'>,
): Promise<DatabaseFacts> {
  const [row] = await database.query(FACTS);
  if (row === undefined) throw new StoreError('the database says nothing of itself');
  const unsafe = text(row, 'unsafe');
  return {
    versionNumber: whole(row, 'version_number'),
    version: text(row, 'version'),
    encoding: text(row, 'encoding'),
    isEncrypted: isTrue(row, 'is_encrypted'),
    isLocal: isTrue(row, 'is_local'),
    isSuperuser: isTrue(row, 'is_superuser'),
    mayCreate: isTrue(row, 'may_create'),
    isReadOnly: isTrue(row, 'is_read_only'),
    connectionsMax: whole(row, 'connections_max'),
    unsafe: unsafe === '' ? [] : unsafe.split(','),
    aheadMs: await aheadOf(database, clock),
  };
}

async function aheadOf(database: Pick<Database, 'query'>, clock: Pick<Clock, 'nowMs'>): Promise<number> {
  const before = clock.nowMs();
  const [row] = await database.query(TIME);
  const after = clock.nowMs();
  return row === undefined ? 0 : Math.round(whole(row, 'now_ms') - (before + after) / 2);
}
