import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { NotificationFilter, Redelivered, Redelivery } from '../operations.ts';
import { type Row, text, whole } from '../row.ts';
import type { AuditTable } from './audit.ts';
import type { AwaitingTable } from './awaiting.ts';
import { type Clients, withdrawnUpTo } from './clients.ts';
import type { RegistrationTables } from './registrations.ts';

// Bounds how many are looked at for one portion, however few of them are meant.
const LOOKED_AT_MAX = 5000;

/** Dependencies of redelivery. */
export interface RedeliveryParts {
  readonly registrations: RegistrationTables;
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly audit: AuditTable;
}

/** A notification that may be meant. */
interface Candidate {
  readonly seq: number;
  readonly clientId: string;
  readonly publishedAtMs: number;
  readonly state: string;
}

/** The result of a portion, and the TPPs whose notifications are due again. */
export interface PortionRedelivered {
  readonly redelivered: Redelivered;
  readonly clientIds: ReadonlySet<string>;
}

/** SQL of redelivery. Must run inside a transaction. */
export class RedeliveryTables {
  readonly #parts: RedeliveryParts;
  readonly #awaitingAfter: StatementSync;
  readonly #allAfter: StatementSync;
  readonly #ofClientAfter: StatementSync;
  readonly #byJti: StatementSync;
  readonly #hasFailed: StatementSync;

  constructor(database: DatabaseSync, parts: RedeliveryParts) {
    this.#parts = parts;
    const awaiting = "SELECT seq, client_id, published_at_ms, 'awaiting' AS state FROM awaiting";
    const settled = 'SELECT seq, client_id, published_at_ms, state FROM settled';
    const inOrder = `ORDER BY seq LIMIT ${LOOKED_AT_MAX}`;
    this.#awaitingAfter = database.prepare(`${awaiting} WHERE seq > ? ${inOrder}`);
    this.#allAfter = database.prepare(`${awaiting} WHERE seq > ?1 UNION ALL ${settled} WHERE seq > ?1 ${inOrder}`);
    // Of what is awaiting, which is little beside the history, those of others are looked at too.
    this.#ofClientAfter = database.prepare(
      `${awaiting} WHERE seq > ?1 UNION ALL ${settled} WHERE client_id = ?2 AND seq > ?1 ${inOrder}`,
    );
    this.#byJti = database.prepare(
      `SELECT event.seq, event.client_id, event.published_at_ms, coalesce(settled.state, 'awaiting') AS state
       FROM event LEFT JOIN settled ON settled.seq = event.seq WHERE event.jti = ? AND event.claims IS NOT NULL`,
    );
    this.#hasFailed = database.prepare(
      `SELECT EXISTS (SELECT 1 FROM reported_error WHERE seq = ?1)
         OR EXISTS (SELECT 1 FROM attempt WHERE seq = ?1 AND outcome ->> 'kind' <> 'acknowledged') AS has_failed`,
    );
  }

  redeliver(redelivery: Redelivery): PortionRedelivered {
    const { filter, after, limit, isDryRun, firstDueAtMs, spacingMs } = redelivery;
    const { candidates, isLast } = this.#candidates(filter, after === undefined ? 0 : Number(after));
    const clientIds = new Set<string>();
    let count = 0;
    let next = after;
    let isThrough = isLast;
    for (const candidate of candidates) {
      if (count >= limit) {
        isThrough = false;
        break;
      }
      next = String(candidate.seq);
      if (!this.#isMeant(candidate, filter)) continue;
      if (!isDryRun) this.#makeDue(candidate, firstDueAtMs + count * spacingMs);
      clientIds.add(candidate.clientId);
      count += 1;
    }
    if (!isDryRun) this.#keepTrack(redelivery, count);
    return { redelivered: { count, next: isThrough ? undefined : next }, clientIds: isDryRun ? new Set() : clientIds };
  }

  #keepTrack({ audit }: Redelivery, count: number): void {
    if (count > 0) this.#parts.audit.add({ ...audit, detail: { ...audit.detail, count } });
  }

  /** In the order of publishing. */
  #candidates(filter: NotificationFilter, after: number): { candidates: Candidate[]; isLast: boolean } {
    if (filter.jtis !== undefined) {
      const rows = [...new Set(filter.jtis)].map((jti) => this.#byJti.get(jti));
      const candidates = rows
        .flatMap((row) => (row === undefined ? [] : [candidateOf(row)]))
        .filter(({ seq }) => seq > after);
      return { candidates: candidates.sort((left, right) => left.seq - right.seq), isLast: true };
    }
    const rows = this.#rowsAfter(filter, after);
    return { candidates: rows.map(candidateOf), isLast: rows.length < LOOKED_AT_MAX };
  }

  #rowsAfter({ only, clientId }: NotificationFilter, after: number): Row[] {
    if (only !== undefined) return this.#awaitingAfter.all(after);
    return clientId === undefined ? this.#allAfter.all(after) : this.#ofClientAfter.all(after, clientId);
  }

  #isMeant({ seq, clientId, publishedAtMs, state }: Candidate, filter: NotificationFilter): boolean {
    const { publishedFromMs = Number.NEGATIVE_INFINITY, publishedBeforeMs = Number.POSITIVE_INFINITY, only } = filter;
    if (filter.clientId !== undefined && filter.clientId !== clientId) return false;
    if (publishedAtMs < publishedFromMs || publishedAtMs >= publishedBeforeMs) return false;
    if (state !== 'awaiting' && (state !== 'acknowledged' || only !== undefined)) return false;
    // Nobody is there to whom it could go.
    if (this.#parts.registrations.lookUp(clientId).registration === undefined) return false;
    const client = this.#parts.clients.get(clientId);
    // It would be withdrawn with the rest.
    if (seq <= withdrawnUpTo(client)) return false;
    const lease = client.leases.get(seq);
    if (lease !== undefined && !lease.isOver) return false;
    return only !== 'failed' || this.#hasFailed.get(seq)?.['has_failed'] === 1;
  }

  #makeDue({ seq, clientId, state }: Candidate, dueAtMs: number): void {
    const { clients, awaiting } = this.#parts;
    const client = clients.get(clientId);
    const lease = client.leases.get(seq);
    if (lease !== undefined) clients.endLease(client, lease);
    if (state === 'awaiting') awaiting.place(client, seq, dueAtMs);
    else awaiting.unsettle(client, seq, dueAtMs);
  }
}

function candidateOf(row: Row): Candidate {
  return {
    seq: whole(row, 'seq'),
    clientId: text(row, 'client_id'),
    publishedAtMs: whole(row, 'published_at_ms'),
    state: text(row, 'state'),
  };
}
