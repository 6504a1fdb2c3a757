import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { BulkPortion, BulkResult, NotificationFilter, Redelivery } from '../operations.ts';
import { isTrue, type Row, text, whole } from '../rows.ts';
import { selectPortion, withCount } from '../shared.ts';
import type { AuditTable } from './audit.ts';
import { type Clients, isFree, withdrawnUpTo } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';
import type { AwaitingTable } from './settle.ts';

// Bounds how many candidates one portion goes through, however few of them are selected.
const CANDIDATES_MAX = 5000;

/** Dependencies of operations in bulk. */
export interface BulkDependencies {
  readonly registrations: RegistrationTables;
  readonly awaiting: AwaitingTable;
  readonly clients: Clients;
  readonly audit: AuditTable;
}

/** A notification that may be selected. */
interface Candidate {
  readonly seq: number;
  readonly clientId: string;
  readonly publishedAtMs: number;
  readonly state: string;
  readonly hasFailed: boolean;
}

/** SQL of redelivery and withdrawal by the operator. Must run inside a transaction. */
export class BulkTables {
  readonly #dependencies: BulkDependencies;
  readonly #awaitingAfter: StatementSync;
  readonly #allAfter: StatementSync;
  readonly #ofClientAfter: StatementSync;
  readonly #byJti: StatementSync;

  constructor(database: DatabaseSync, dependencies: BulkDependencies) {
    this.#dependencies = dependencies;
    const awaiting = "SELECT seq, client_id, published_at_ms, 'awaiting' AS state, has_failed FROM awaiting";
    const settled = 'SELECT seq, client_id, published_at_ms, state, 0 AS has_failed FROM settled';
    const inOrder = `ORDER BY seq LIMIT ${CANDIDATES_MAX}`;
    this.#awaitingAfter = database.prepare(`${awaiting} WHERE seq > ? ${inOrder}`);
    this.#allAfter = database.prepare(`${awaiting} WHERE seq > ?1 UNION ALL ${settled} WHERE seq > ?1 ${inOrder}`);
    // Few notifications are awaiting, compared with those that are settled: the awaiting ones of other TPPs are read too.
    this.#ofClientAfter = database.prepare(
      `${awaiting} WHERE seq > ?1 UNION ALL ${settled} WHERE client_id = ?2 AND seq > ?1 ${inOrder}`,
    );
    this.#byJti = database.prepare(
      `SELECT event.seq, event.client_id, event.published_at_ms, coalesce(settled.state, 'awaiting') AS state,
         coalesce(awaiting.has_failed, 0) AS has_failed
       FROM event LEFT JOIN settled ON settled.seq = event.seq LEFT JOIN awaiting ON awaiting.seq = event.seq
       WHERE event.jti = ? AND event.claims IS NOT NULL`,
    );
  }

  /** @returns the result of the portion, and the TPPs whose notifications are due again */
  redeliver(redelivery: Redelivery): { readonly result: BulkResult; readonly clientIds: ReadonlySet<string> } {
    const { filter, isDryRun, firstDueAtMs, spacingMs } = redelivery;
    const { selected, next } = this.#select(redelivery, filter.only !== undefined, (one) => this.#isRedeliverable(one));
    const result = { count: selected.length, next };
    if (isDryRun) return { result, clientIds: new Set() };
    for (const [at, candidate] of selected.entries()) this.#makeDue(candidate, firstDueAtMs + at * spacingMs);
    this.#audit(redelivery, selected.length);
    return { result, clientIds: new Set(selected.map(({ clientId }) => clientId)) };
  }

  withdraw(withdrawal: BulkPortion): BulkResult {
    const { isDryRun, audit } = withdrawal;
    const { selected, next } = this.#select(withdrawal, true, ({ state }) => state === 'awaiting');
    if (!isDryRun) {
      for (const { seq, clientId } of selected) {
        const client = this.#dependencies.clients.get(clientId);
        this.#dependencies.awaiting.settle(client, seq, { state: 'withdrawn', atMs: audit.atMs });
      }
      this.#audit(withdrawal, selected.length);
    }
    return { count: selected.length, next };
  }

  #audit({ audit }: BulkPortion, count: number): void {
    if (count > 0) this.#dependencies.audit.add(withCount(audit, count));
  }

  #select({ filter, after, limit }: BulkPortion, isAwaitingOnly: boolean, isAllowed: (one: Candidate) => boolean) {
    const { candidates, isLast } = this.#candidates(filter, after === undefined ? 0 : Number(after), isAwaitingOnly);
    return selectPortion(candidates, {
      limit,
      isLast,
      isSelected: (candidate) => this.#matches(candidate, filter) && isAllowed(candidate),
      placeOf: ({ seq }) => String(seq),
    });
  }

  /** In the order of publishing. */
  #candidates(filter: NotificationFilter, after: number, isAwaitingOnly: boolean) {
    if (filter.jtis !== undefined) {
      const rows = [...new Set(filter.jtis)].map((jti) => this.#byJti.get(jti)).filter((row) => row !== undefined);
      const candidates = rows.map(candidateOf).filter(({ seq }) => seq > after);
      return { candidates: candidates.sort((left, right) => left.seq - right.seq), isLast: true };
    }
    const rows = this.#rowsAfter(filter, after, isAwaitingOnly);
    return { candidates: rows.map(candidateOf), isLast: rows.length < CANDIDATES_MAX };
  }

  #rowsAfter({ clientId }: NotificationFilter, after: number, isAwaitingOnly: boolean): Row[] {
    if (isAwaitingOnly) return this.#awaitingAfter.all(after);
    return clientId === undefined ? this.#allAfter.all(after) : this.#ofClientAfter.all(after, clientId);
  }

  /** Whether a candidate matches the filter and is not under way. */
  #matches({ seq, clientId, publishedAtMs, state, hasFailed }: Candidate, filter: NotificationFilter): boolean {
    const { publishedFromMs = Number.NEGATIVE_INFINITY, publishedBeforeMs = Number.POSITIVE_INFINITY, only } = filter;
    if (filter.clientId !== undefined && filter.clientId !== clientId) return false;
    if (publishedAtMs < publishedFromMs || publishedAtMs >= publishedBeforeMs) return false;
    if (only !== undefined && state !== 'awaiting') return false;
    if (only === 'failed' && !hasFailed) return false;
    return isFree(this.#dependencies.clients.get(clientId), seq);
  }

  #isRedeliverable({ seq, clientId, state }: Candidate): boolean {
    const { registrations, clients } = this.#dependencies;
    if (state !== 'awaiting' && state !== 'acknowledged') return false;
    // Without a registration there is nobody to deliver it to; within a backlog being withdrawn it would be withdrawn too.
    const isRegistered = registrations.lookUp(clientId).registration !== undefined;
    return isRegistered && seq > withdrawnUpTo(clients.get(clientId));
  }

  #makeDue({ seq, clientId, state }: Candidate, dueAtMs: number): void {
    const { clients, awaiting } = this.#dependencies;
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
    hasFailed: isTrue(row, 'has_failed'),
  };
}
