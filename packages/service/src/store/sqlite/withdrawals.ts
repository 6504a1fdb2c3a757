import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { NotificationFilter, Withdrawal, Withdrawn } from '../operations.ts';
import { type Row, text, whole } from '../row.ts';
import type { AuditTable } from './audit.ts';
import type { AwaitingTable } from './awaiting.ts';
import type { Clients } from './clients.ts';

// Bounds how many are looked at for one portion, however few of them are meant.
const LOOKED_AT_MAX = 5000;

/** Dependencies of withdrawals. */
export interface WithdrawalParts {
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly audit: AuditTable;
}

/** SQL of withdrawal by the operator. Must run inside a transaction. */
export class Withdrawals {
  readonly #parts: WithdrawalParts;
  readonly #after: StatementSync;
  readonly #byJti: StatementSync;

  constructor(database: DatabaseSync, parts: WithdrawalParts) {
    this.#parts = parts;
    this.#after = database.prepare(
      `SELECT seq, client_id, published_at_ms, has_failed FROM awaiting WHERE seq > ? ORDER BY seq LIMIT ${LOOKED_AT_MAX}`,
    );
    this.#byJti = database.prepare(
      `SELECT awaiting.seq, awaiting.client_id, awaiting.published_at_ms, awaiting.has_failed
       FROM event CROSS JOIN awaiting ON awaiting.seq = event.seq WHERE event.jti = ?`,
    );
  }

  withdraw({ filter, after, limit, isDryRun, audit }: Withdrawal): Withdrawn {
    const { rows, isLast } = this.#candidates(filter, after === undefined ? 0 : Number(after));
    let count = 0;
    let next = after;
    let isThrough = isLast;
    for (const row of rows) {
      if (count >= limit) {
        isThrough = false;
        break;
      }
      next = String(whole(row, 'seq'));
      if (!this.#isMeant(row, filter)) continue;
      if (!isDryRun) this.#withdrawOne(row, audit.atMs);
      count += 1;
    }
    if (!isDryRun && count > 0) this.#parts.audit.add({ ...audit, detail: { ...audit.detail, count } });
    return { count, next: isThrough ? undefined : next };
  }

  /** In the order of publishing. */
  #candidates({ jtis }: NotificationFilter, after: number): { rows: Row[]; isLast: boolean } {
    if (jtis === undefined) {
      const rows = this.#after.all(after);
      return { rows, isLast: rows.length < LOOKED_AT_MAX };
    }
    const found = [...new Set(jtis)].map((jti) => this.#byJti.get(jti));
    const rows = found.flatMap((row) => (row === undefined ? [] : [row]));
    const sorted = rows.sort((left, right) => whole(left, 'seq') - whole(right, 'seq'));
    return { rows: sorted.filter((row) => whole(row, 'seq') > after), isLast: true };
  }

  #isMeant(row: Row, filter: NotificationFilter): boolean {
    const { publishedFromMs = Number.NEGATIVE_INFINITY, publishedBeforeMs = Number.POSITIVE_INFINITY } = filter;
    const clientId = text(row, 'client_id');
    if (filter.clientId !== undefined && filter.clientId !== clientId) return false;
    const publishedAtMs = whole(row, 'published_at_ms');
    if (publishedAtMs < publishedFromMs || publishedAtMs >= publishedBeforeMs) return false;
    if (filter.only === 'failed' && whole(row, 'has_failed') === 0) return false;
    const lease = this.#parts.clients.get(clientId).leases.get(whole(row, 'seq'));
    return lease === undefined || lease.isOver;
  }

  #withdrawOne(row: Row, atMs: number): void {
    const client = this.#parts.clients.get(text(row, 'client_id'));
    this.#parts.awaiting.settle(client, whole(row, 'seq'), { state: 'withdrawn', atMs });
  }
}
