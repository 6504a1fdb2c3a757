import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { defined } from '../base/defined.ts';
import { AUDIT_DROPPED_MAX, type AuditEntry, type StoredAuditEntry, TPP_AUDIT_KEPT_MS_MIN } from '../model/audit.ts';
import { auditActorOf } from './access.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { cursor, fieldProblem, isoTime, limit, pageOf, type QueryParameter, readTime, text, time } from './request.ts';
import { json, ok, route } from './route.ts';

/** Default number of audit entries on a page. */
const AUDIT_PER_PAGE = 100;
/** Most entries of the audit on one page. */
const AUDIT_PER_PAGE_MAX = 1000;

const closed = { additionalProperties: false };
const timeOf = (description: string) => Type.String({ format: 'date-time', description });

/** One page of the audit, the newest first. */
export const AuditPage = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          at: timeOf('When'),
          actor: Type.String({
            description:
              'Name of the operator token, or of the caller at the identity provider; tpp:CLIENT_ID for a TPP; tidings for the service itself',
          }),
          role: Type.Optional(Type.String({ description: 'The role that allowed it' })),
          authenticatedBy: Type.Optional(
            Type.Enum(['token', 'oidc', 'access-token', 'service'], { description: 'How the actor was authenticated' }),
          ),
          from: Type.Optional(Type.String({ description: 'Remote address; behind a proxy, the address of the proxy' })),
          action: Type.String({ description: 'Such as redeliver, tpp-changed, expire' }),
          subject: Type.String({ description: 'Object of the action, such as a client_id' }),
          detail: Type.Object({}, { description: 'Details of the action' }),
          before: Type.Optional(Type.Object({}, { description: 'State before the change; of keys only the kids' })),
          after: Type.Optional(Type.Object({}, { description: 'State after the change; of keys only the kids' })),
        },
        closed,
      ),
      { maxItems: AUDIT_PER_PAGE_MAX },
    ),
    next: Type.Optional(
      Type.String({ description: 'Cursor of older entries, to be given as "before"; absent on the last page' }),
    ),
  },
  closed,
);
export type AuditPage = Static<typeof AuditPage>;

/** An entry as the API gives it. */
export function writeAuditEntry({ atMs, ...entry }: StoredAuditEntry): AuditPage['entries'][number] {
  return { ...entry, at: isoTime(atMs) };
}

/** Most entries on a page of those that may be archived: as many as may be dropped at once. */
export const ARCHIVABLE_PER_PAGE_MAX = AUDIT_DROPPED_MAX;

const digest = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description });

/** One page of what may be archived, the oldest first. */
export const ArchivableAudit = Type.Object(
  {
    entries: AuditPage.properties.entries,
    next: Type.Optional(
      Type.String({ description: 'Cursor of newer entries, to be given as "after"; absent on the last page' }),
    ),
  },
  closed,
);
export type ArchivableAudit = Static<typeof ArchivableAudit>;

/** Archived entries to delete. */
const AuditDropRequest = Type.Object(
  {
    ids: Type.Array(Type.String({ pattern: '^[1-9][0-9]{0,15}$' }), {
      ...{ minItems: 1, maxItems: AUDIT_DROPPED_MAX, uniqueItems: true },
      description: 'These entries',
    }),
    before: Type.String({ format: 'date-time', maxLength: 64, description: 'Time before which all of them were made' }),
    sha256: digest('SHA-256 of these entries as they were archived: each as JSON on a line, in the order of ids'),
    archiveSha256: digest('SHA-256 of the whole archive, for the audit'),
  },
  closed,
);

/** The result of a drop. */
export const AuditDropAnswer = Type.Object(
  { count: Type.Integer({ minimum: 0, description: 'Entries dropped' }) },
  closed,
);

const PLACE = /^\d{1,16}:\d{1,16}$/;
const ID = /^[1-9]\d{0,15}$/;
const TEXT_CHARS_MAX = 256;
const NO_SHA256 = '0'.repeat(64);
const EXAMPLE_DROP = {
  ids: ['17', '18'],
  before: '2025-10-21T00:00:00Z',
  sha256: NO_SHA256,
  archiveSha256: NO_SHA256,
};

/** An entry as an archive holds it. @param entry as the API gives it */
export function archivedLine(entry: ArchivableAudit['entries'][number]): string {
  return `${JSON.stringify(entry)}\n`;
}

/**
 * GET /operator/v1/audit; GET /operator/v1/audit/archivable and POST /operator/v1/audit/drops: what TPPs changed themselves
 * leaves it by age.
 */
export const auditRoutes = [
  route({
    operationId: 'listAudit',
    method: 'get',
    path: '/operator/v1/audit',
    role: 'viewer',
    tag: 'Upkeep',
    summary: 'List changes by operators, TPPs and the service itself',
    query: {
      actor: text('Entries of this actor only', TEXT_CHARS_MAX),
      action: text('Entries with this action only, such as tpp-changed', TEXT_CHARS_MAX),
      subject: text('Entries about this object only, such as a client_id', TEXT_CHARS_MAX),
      from: timeAsText('Entries at or after this time (ISO 8601)'),
      before: idOrTime('Entries before this time (ISO 8601), or "next" of the previous page'),
      limit: limit('Page size', AUDIT_PER_PAGE, AUDIT_PER_PAGE_MAX),
    },
    response: ok('One page, the newest first', { AuditPage }),
    handler:
      ({ store }) =>
      async ({ query }) => {
        const { from: fromMs, before, limit: most, ...texts } = query;
        const filter = defined({ ...texts, fromMs, beforeMs: before?.timeMs });
        const found = await store.auditEntries(before?.id, most + 1, filter);
        const { shown, next } = pageOf(found, most, ({ id }) => id);
        return { entries: shown.map(writeAuditEntry), ...next };
      },
  }),
  route({
    operationId: 'listArchivableAudit',
    method: 'get',
    path: '/operator/v1/audit/archivable',
    role: 'viewer',
    tag: 'Upkeep',
    summary: 'List changes by TPPs, oldest first; changes by operators and the service are kept permanently',
    query: {
      before: { ...time('Entries before this time, which must be at least 30 days ago'), isRequired: true },
      after: cursor('"next" of the previous page, with the same "before"', { pattern: PLACE, maxLength: 33 }),
      limit: limit('Page size', 100, ARCHIVABLE_PER_PAGE_MAX),
    },
    response: ok('One page', { ArchivableAudit }),
    handler:
      ({ store, clock }) =>
      async ({ query }) => {
        const beforeMs = checkBefore(query.before, clock.nowMs());
        const found = await store.archivableAudit(beforeMs, query.after, query.limit + 1);
        const { shown, next } = pageOf(found, query.limit, ({ atMs, id }) => `${atMs}:${id}`);
        return { entries: shown.map(writeAuditEntry), ...next };
      },
  }),
  route({
    operationId: 'dropAudit',
    method: 'post',
    path: '/operator/v1/audit/drops',
    // What is gone is in the archive alone.
    role: 'administrator',
    tag: 'Upkeep',
    summary: 'Delete archived entries of TPPs from the audit, all or none',
    description:
      'Used by "tidings audit archive". 409, and nothing is deleted, unless every entry exists, was made by a TPP before the given time, and equals the archived one ("sha256").',
    body: json({ AuditDropRequest }, { example: EXAMPLE_DROP }),
    response: ok('The entries are deleted', { AuditDropAnswer }),
    refusals: [409],
    handler: (context) => (call) => drop(call.request, call.body, context),
  }),
];

async function drop(
  request: FastifyRequest,
  { ids, before, sha256, archiveSha256 }: Static<typeof AuditDropRequest>,
  { store, clock }: OperatorContext,
): Promise<Static<typeof AuditDropAnswer>> {
  const atMs = clock.nowMs();
  const beforeMs = checkBefore(readTime('before', before), atMs);
  const audit = (dropped: readonly StoredAuditEntry[]): AuditEntry => {
    if (digestOf(dropped) !== sha256) {
      const why = 'some no longer exist, were not made by a TPP, are newer, or differ from the archive';
      throw new Problem(
        409,
        `These are not the entries that were archived: ${why}. Nothing was deleted; archive again.`,
      );
    }
    const detail = { count: dropped.length, before: isoTime(beforeMs), sha256, archiveSha256 };
    return { ...auditActorOf(request), atMs, action: 'audit-archived', subject: 'audit', detail };
  };
  const count = await store.dropAudit({ ids, beforeMs, audit });
  request.log.info({ operator: request.operatorName, count, before, archiveSha256 }, 'audit archived');
  return { count };
}

function digestOf(entries: readonly StoredAuditEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) hash.update(archivedLine(writeAuditEntry(entry)));
  return hash.digest('hex');
}

/** @throws {Problem} 400 */
function checkBefore(beforeMs: number | undefined, nowMs: number): number {
  if (beforeMs === undefined) throw fieldProblem('before', 'must be given');
  if (beforeMs <= nowMs - TPP_AUDIT_KEPT_MS_MIN) return beforeMs;
  throw fieldProblem('before', `must lie ${TPP_AUDIT_KEPT_MS_MIN / 86_400_000} days back at least`);
}

function timeAsText(description: string): QueryParameter<number | undefined> {
  return { ...text(description, TEXT_CHARS_MAX), read: readTime };
}

/** A time, or the cursor of a page, which lies before it anyway. */
function idOrTime(description: string): QueryParameter<{ readonly id?: string; readonly timeMs?: number } | undefined> {
  return {
    ...text(description, TEXT_CHARS_MAX),
    read: (name, given) => {
      if (given !== undefined && ID.test(given)) return { id: given };
      const timeMs = readTime(name, given, '"next" of a page, or a date and time');
      return timeMs === undefined ? undefined : { timeMs };
    },
  };
}
