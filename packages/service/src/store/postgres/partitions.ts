import { isTrue, optionalWhole, type Row, text } from '../rows.ts';
import { StoreError } from '../store.ts';
import { DAY_MS, dayOf } from './content.ts';
import { type Database, MIGRATING, type Transaction } from './database.ts';
import { CONTENT_OTHER, SETTLED_OTHER } from './schema.ts';

// If no instance makes them for longer, new rows go to the default partition.
const DAYS_AHEAD = 7;
// A change of the partitions waits for those who use the table, and meanwhile others wait behind it: not for long.
const LOCK_TIMEOUT_MS = 500;

/** A table that is partitioned by day. */
interface Days {
  readonly table: 'settled' | 'content';
  readonly key: string;
  /** How much the key grows in a day. */
  readonly keysPerDay: number;
  /** The default partition. */
  readonly other: string;
}

export const SETTLED: Days = {
  table: 'settled',
  key: 'settled_at_ms',
  keysPerDay: DAY_MS,
  other: SETTLED_OTHER,
};
export const CONTENT: Days = { table: 'content', key: 'day', keysPerDay: 1, other: CONTENT_OTHER };

const PARTITION = /^[a-z]+_(\d{4})(\d{2})(\d{2})$/;

/** One day of such a table. */
interface Partition {
  readonly name: string;
  /** Everything in it is older. */
  readonly beforeMs: number;
  /** An estimate of its rows; undefined: it was never analysed. */
  readonly rows: number | undefined;
}

/**
 * Makes the partitions of today and the days to come. If rows of a day are in the default partition already, because its own
 * came too late, they stay there.
 */
export async function makePartitionsAhead(database: Database, nowMs: number): Promise<void> {
  const today = dayOf(nowMs);
  for (const days of [SETTLED, CONTENT]) {
    const names = new Set((await partitionsOf(database, days)).map(({ name }) => name));
    for (let day = today; day <= today + DAYS_AHEAD; day += 1) {
      if (!names.has(nameOf(days, day))) await makePartition(database, days, day);
    }
  }
}

async function makePartition(database: Database, days: Days, day: number): Promise<void> {
  const { table, key, keysPerDay, other } = days;
  const name = nameOf(days, day);
  const [from, to] = [day * keysPerDay, (day + 1) * keysPerDay];
  await database.transaction(async (transaction) => {
    await lockPartitions(transaction);
    const [known] = await transaction.query(
      `SELECT to_regclass($1) IS NOT NULL AS is_there,
         EXISTS (SELECT 1 FROM ${other} WHERE ${key} >= $2::bigint AND ${key} < $3::bigint) AS is_late`,
      [name, from, to],
    );
    if (known === undefined || isTrue(known, 'is_there') || isTrue(known, 'is_late')) return;
    // Attached, not made as a partition: that would keep every reader and writer of the table out meanwhile.
    await transaction.query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL) WITH (toast_tuple_target = 8160)`);
    await transaction.query(
      `ALTER TABLE ${name} ADD CONSTRAINT ${name}_day CHECK (${key} >= ${from} AND ${key} < ${to})`,
    );
    await transaction.query(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${to})`);
  });
}

/** Whether there is a partition that is wholly before that. */
export async function hasPartitionBefore(database: Database, days: Days, beforeMs: number): Promise<boolean> {
  return (await partitionsOf(database, days)).some((partition) => partition.beforeMs <= beforeMs);
}

/** @returns how many rows went, at least 1; 0: no partition is wholly before that */
export async function dropPartitionBefore(database: Database, days: Days, beforeMs: number): Promise<number> {
  for (const partition of await partitionsOf(database, days)) {
    if (partition.beforeMs > beforeMs) continue;
    const rows = await dropPartition(database, partition);
    if (rows > 0) return rows;
  }
  return 0;
}

function dropPartition(database: Database, { name, rows }: Partition): Promise<number> {
  return database.transaction(async (transaction) => {
    await lockPartitions(transaction);
    const [known] = await transaction.query('SELECT to_regclass($1) IS NOT NULL AS is_there', [name]);
    if (known === undefined || !isTrue(known, 'is_there')) return 0;
    const [any] = await transaction.query(`SELECT EXISTS (SELECT 1 FROM ${name}) AS is_there`);
    await transaction.query(`DROP TABLE ${name}`);
    return any !== undefined && isTrue(any, 'is_there') ? Math.max(rows ?? 1, 1) : 0;
  });
}

/** One instance at a time changes the partitions, and gives up soon when the table is busy: it comes round again. */
async function lockPartitions(transaction: Transaction): Promise<void> {
  await transaction.query(
    `SELECT set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true), pg_advisory_xact_lock(${MIGRATING}, 2)`,
  );
}

/** The oldest first. */
async function partitionsOf(database: Database, { table }: Days): Promise<Partition[]> {
  const rows = await database.query(
    `SELECT c.relname AS name, greatest(s.n_live_tup, c.reltuples::bigint) AS rows
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
     WHERE i.inhparent = $1::regclass ORDER BY c.relname`,
    [table],
  );
  return rows.flatMap((row) => partitionOf(row) ?? []);
}

function partitionOf(row: Row): Partition | undefined {
  const name = text(row, 'name');
  const [, year, month, day] = PARTITION.exec(name) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const rows = optionalWhole(row, 'rows');
  const fromMs = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return { name, beforeMs: fromMs + DAY_MS, rows: rows !== undefined && rows > 0 ? rows : undefined };
}

function nameOf({ table }: Days, day: number): string {
  return `${table}_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** Runs something that may fail because the table is busy or the database away, and be done another time. */
export async function unlessBusy<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError) return otherwise;
    throw error;
  }
}
