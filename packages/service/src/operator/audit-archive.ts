import { createHash } from 'node:crypto';
import { shapeOf } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { AUDIT_DROPPED_MAX, TPP_AUDIT_KEPT_MS_MIN } from '../store/audit.ts';
import type { AuditEntry, StoredAuditEntry } from '../store/store.ts';
import { auditActorOf } from './access.ts';
import { AuditPage, writeAuditEntry } from './audit-page.ts';
import { isoTime } from './iso-time.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, readJson, shapedValue } from './read-body.ts';
import { readPage } from './read-page.ts';
import { readTime } from './read-time.ts';
import { forOperation } from './roles.ts';

/** Most entries on a page of those that may be archived: as many as may be dropped at once. */
export const ARCHIVABLE_PER_PAGE_MAX = AUDIT_DROPPED_MAX;

const closed = { additionalProperties: false };
const digest = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description });

/** One page of what may be archived, the oldest first. */
export const ArchivableAudit = Type.Object(
  {
    entries: AuditPage.properties.entries,
    next: Type.Optional(Type.String({ description: 'Give it as "after" for younger ones; absent on the last page' })),
  },
  closed,
);
export type ArchivableAudit = Static<typeof ArchivableAudit>;

/** Entries that were archived, and are to go. */
export const AuditDropRequest = Type.Object(
  {
    ids: Type.Array(Type.String({ pattern: '^[1-9][0-9]{0,15}$' }), {
      ...{ minItems: 1, maxItems: AUDIT_DROPPED_MAX, uniqueItems: true },
      description: 'These entries',
    }),
    before: Type.String({ format: 'date-time', maxLength: 64, description: 'All were made before this time' }),
    sha256: digest('SHA-256 of these entries as they were archived: each as JSON on a line, in the order of ids'),
    archiveSha256: digest('SHA-256 of the whole archive, for the audit'),
  },
  closed,
);

/** What a drop came to. */
export const AuditDropAnswer = Type.Object(
  { count: Type.Integer({ minimum: 0, description: 'Entries dropped' }) },
  closed,
);

const shapeRequest = shapeOf(AuditDropRequest);
const PLACE = /^\d{1,16}:\d{1,16}$/;

interface WithQuery {
  Querystring: Readonly<Record<string, unknown>>;
}

/** An entry as an archive holds it. @param entry as the API gives it */
export function archivedLine(entry: ArchivableAudit['entries'][number]): string {
  return `${JSON.stringify(entry)}\n`;
}

/** GET /operator/v1/audit/archivable and POST /operator/v1/audit/drops: what TPPs changed themselves leaves the audit by age. */
export function registerAuditArchiveRoutes(app: FastifyInstance, { store, clock }: OperatorOptions): void {
  app.get<WithQuery>(
    '/operator/v1/audit/archivable',
    forOperation('listArchivableAudit'),
    async (request): Promise<ArchivableAudit> => {
      const { before, ...others } = request.query;
      const beforeMs = readBefore(before, clock.nowMs());
      const rules = { cursor: 'after', cursorPattern: PLACE, limitDefault: 100, limitMax: ARCHIVABLE_PER_PAGE_MAX };
      const { cursor, limit } = readPage(others, rules);
      const found = await store.archivableAudit(beforeMs, cursor, limit + 1);
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      return {
        entries: shown.map(writeAuditEntry),
        ...(found.length > shown.length && last !== undefined && { next: `${last.atMs}:${last.id}` }),
      };
    },
  );

  app.post('/operator/v1/audit/drops', forOperation('dropAudit'), async (request) => {
    const { ids, before, sha256, archiveSha256 } = shapedValue(shapeRequest(readJson(request.body)));
    const atMs = clock.nowMs();
    const beforeMs = readBefore(before, atMs);
    const audit = (dropped: readonly StoredAuditEntry[]): AuditEntry => {
      if (digestOf(dropped) !== sha256) {
        const why = 'some are gone, or no TPP made them, or they are younger, or the archive is not true to them';
        throw new Problem(
          409,
          `These are not the entries that were archived: ${why}. Nothing was dropped; archive anew.`,
        );
      }
      const detail = { count: dropped.length, before: isoTime(beforeMs), sha256, archiveSha256 };
      return { ...auditActorOf(request), atMs, action: 'audit-archived', subject: 'audit', detail };
    };
    const count = await store.dropAudit({ ids, beforeMs, audit });
    request.log.info({ operator: request.operatorName, count, before, archiveSha256 }, 'audit archived');
    return { count };
  });
}

function digestOf(entries: readonly StoredAuditEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) hash.update(archivedLine(writeAuditEntry(entry)));
  return hash.digest('hex');
}

/** @throws {Problem} 400 */
function readBefore(before: unknown, nowMs: number): number {
  const beforeMs = readTime('before', before);
  if (beforeMs === undefined) throw fieldProblem('before', 'must be given');
  if (beforeMs <= nowMs - TPP_AUDIT_KEPT_MS_MIN) return beforeMs;
  throw fieldProblem('before', `must lie ${TPP_AUDIT_KEPT_MS_MIN / 86_400_000} days back at least`);
}
