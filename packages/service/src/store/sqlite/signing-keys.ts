import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { AuditEntry } from '../../model/audit.ts';
import type { SigningKeyJwk, SigningKeyUses, StoredSigningKey } from '../../model/signing-key.ts';
import { optionalText, text, whole } from '../rows.ts';
import { inOrder, type SameHeader, signingKeyOf, usesOf } from '../signing-keys.ts';
import type { AuditTable } from './audit.ts';

// Announced and never used: no current one.
const IS_CURRENT =
  'withdrawn_at_ms IS NULL AND retired_at_ms IS NULL AND (announced_at_ms IS NULL OR used_from_ms IS NOT NULL)';

/** SQL about our own signing keys. Writes must run inside a transaction. */
export class SigningKeyTable {
  readonly #database: DatabaseSync;
  readonly #audit: AuditTable;
  readonly #awaiting: StatementSync;
  readonly #jtiOf: StatementSync;

  constructor(database: DatabaseSync, audit: AuditTable) {
    this.#database = database;
    this.#audit = audit;
    this.#awaiting = database.prepare(
      `SELECT awaiting.seq, awaiting.published_at_ms, substr(set_jws, 1, instr(set_jws, '.') - 1) AS header
       FROM awaiting LEFT JOIN signed_set ON signed_set.seq = awaiting.seq ORDER BY awaiting.seq LIMIT ?`,
    );
    this.#jtiOf = database.prepare('SELECT jti FROM event WHERE seq = ?');
  }

  use(publicJwk: SigningKeyJwk, nowMs: number): void {
    const isNew = this.#run('INSERT INTO signing_key (kid, public_jwk) VALUES (?, ?) ON CONFLICT DO NOTHING', [
      publicJwk.kid,
      JSON.stringify(publicJwk),
    ]);
    this.#makeCurrent(publicJwk.kid, nowMs, isNew);
  }

  announce(publicJwk: SigningKeyJwk, nowMs: number): boolean {
    return this.#run(
      'INSERT INTO signing_key (kid, public_jwk, announced_at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      [publicJwk.kid, JSON.stringify(publicJwk), nowMs],
    );
  }

  rotate(kid: string, nowMs: number, audit: AuditEntry): boolean {
    const isDone = this.#makeCurrent(kid, nowMs, false);
    if (isDone) this.#audit.add(audit);
    return isDone;
  }

  withdraw(kid: string, nowMs: number, audit: AuditEntry): boolean {
    const isDone = this.#run(
      `UPDATE signing_key SET withdrawn_at_ms = ? WHERE kid = ? AND withdrawn_at_ms IS NULL AND NOT (${IS_CURRENT})`,
      [nowMs, kid],
    );
    if (isDone) this.#audit.add(audit);
    return isDone;
  }

  noteUsed(kid: string, nowMs: number): void {
    this.#run(
      `UPDATE signing_key SET used_until_ms = ?
       WHERE kid = ? AND retired_at_ms IS NOT NULL AND withdrawn_at_ms IS NULL`,
      [nowMs, kid],
    );
  }

  all(): StoredSigningKey[] {
    return inOrder(this.#database.prepare('SELECT * FROM signing_key').all().map(signingKeyOf));
  }

  /** In the order of publishing. */
  uses(limit: number): SigningKeyUses {
    const groups = new Map<string | undefined, SameHeader & { readonly seq: number }>();
    let examined = 0;
    for (const row of this.#awaiting.iterate(limit + 1)) {
      examined += 1;
      const header = optionalText(row, 'header');
      const first = { seq: whole(row, 'seq'), oldestPublishedAtMs: whole(row, 'published_at_ms') };
      const group = groups.get(header) ?? { ...first, header, count: 0, oldestJti: '' };
      groups.set(header, { ...group, count: group.count + 1 });
    }
    const named = [...groups.values()].map((group) => ({ ...group, oldestJti: this.#jti(group.seq) }));
    return usesOf(named, examined <= limit);
  }

  #jti(seq: number): string {
    const row = this.#jtiOf.get(seq);
    return row === undefined ? '' : text(row, 'jti');
  }

  #makeCurrent(kid: string, nowMs: number, isNew: boolean): boolean {
    const may = `SELECT 1 FROM signing_key WHERE kid = ? AND withdrawn_at_ms IS NULL AND NOT (${IS_CURRENT})`;
    if (!isNew && this.#database.prepare(may).get(kid) === undefined) return false;
    this.#run(`UPDATE signing_key SET retired_at_ms = ? WHERE kid <> ? AND ${IS_CURRENT}`, [nowMs, kid]);
    return this.#run(
      'UPDATE signing_key SET retired_at_ms = NULL, used_until_ms = NULL, used_from_ms = ? WHERE kid = ?',
      [nowMs, kid],
    );
  }

  /** @returns whether a row was changed */
  #run(sql: string, values: readonly (string | number)[]): boolean {
    return this.#database.prepare(sql).run(...values).changes !== 0;
  }
}
