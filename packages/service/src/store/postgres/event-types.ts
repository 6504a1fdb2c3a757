import { text, whole } from '../row.ts';
import type { Transaction } from './database.ts';
import { jsonOf } from './rows.ts';

/** The numbers of combinations of event types, of which there are few: as a rule they are known without asking. */
export class EventTypes {
  readonly #numbers = new Map<string, number>();

  /** @param types as {@link typesOf} writes them. @returns the number of each */
  async numbersOf(transaction: Transaction, types: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const unknown = [...types].filter((one) => !this.#numbers.has(one)).sort();
    if (unknown.length === 0) return this.#numbers;
    const kept = await transaction.query('SELECT id, urns FROM event_types WHERE urns = ANY($1::text[])', [unknown]);
    for (const row of kept) this.#numbers.set(text(row, 'urns'), whole(row, 'id'));
    const fresh = unknown.filter((one) => !this.#numbers.has(one));
    if (fresh.length === 0) return this.#numbers;
    // What this transaction adds is remembered only once another finds it: it may be rolled back. In a fixed order, so
    // that two that add the same ones do not wait for each other.
    const added = await transaction.query(
      `INSERT INTO event_types (urns) SELECT urns FROM json_to_recordset($1::json) AS r(urns text) ORDER BY urns COLLATE "C"
       ON CONFLICT (urns) DO UPDATE SET urns = excluded.urns RETURNING id, urns`,
      [jsonOf(fresh.map((urns) => ({ urns })))],
    );
    return new Map([...this.#numbers, ...added.map((row): [string, number] => [text(row, 'urns'), whole(row, 'id')])]);
  }
}
