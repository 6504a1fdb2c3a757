import { type Row, text, whole } from '../row.ts';
import type { StoreChange } from '../store.ts';
import type { Database } from './database.ts';

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

/** Looks for what other instances changed: what makes up for messages that are lost, or not sent at all. */
export class Lookout {
  readonly #database: Database;
  #digest = '';
  #revisions: ReadonlyMap<string, number> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** TPPs that something may be offered to, whether or not that is new, and those retargeted since the last look. */
  async look(): Promise<StoreChange> {
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
    const rows = await this.#database.read('SELECT client_id, revision FROM target');
    const before = this.#revisions;
    const now = new Map(rows.map((row: Row) => [text(row, 'client_id'), whole(row, 'revision')]));
    this.#revisions = now;
    if (before === undefined) return new Set();
    const changed = [...now].filter(([clientId, revision]) => before.get(clientId) !== revision);
    const gone = [...before.keys()].filter((clientId) => !now.has(clientId));
    return new Set([...changed.map(([clientId]) => clientId), ...gone]);
  }
}
