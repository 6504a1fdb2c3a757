import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { searchStatement } from '../../src/store/postgres/search.ts';
import { type SearchFilter, startOf } from '../../src/store/search.ts';
import { DETAILS, indexFor, PLACES } from '../../src/store/sqlite/search.ts';

type Searches = Readonly<Record<string, SearchFilter>>;

/** How the database goes about the first look of each search for one page. @returns by the name of the search */
export async function plansOfPostgres(url: string, searches: Searches, limit: number): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const plans: Record<string, string> = {};
    for (const [name, filter] of Object.entries(searches)) {
      const { statement, values } = searchStatement(filter, startOf({ filter, after: undefined, limit }), limit + 1);
      const { rows } = await client.query(`EXPLAIN (ANALYZE, BUFFERS) ${statement}`, [...values]);
      plans[name] = rows.map((row) => row['QUERY PLAN']).join('\n');
    }
    return plans;
  } finally {
    await client.end();
  }
}

/** The same of a store file that no service has open; for each index and each combination it is asked once. */
export function plansOfSqlite(file: string, searches: Searches): Record<string, string> {
  const database = new DatabaseSync(file);
  try {
    const planOf = (sql: string) =>
      database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => `  ${detail}`)
        .join('\n');
    const details = planOf(DETAILS);
    const entries = Object.entries(searches).map(([name, filter]) => {
      return [name, `by ${indexFor(filter)}\n${planOf(PLACES[indexFor(filter)])}\nthen\n${details}`];
    });
    return Object.fromEntries(entries);
  } finally {
    database.close();
  }
}
