import { createHash } from 'node:crypto';
import { isLongerThan, shapeOf } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { AUDIT_DROPPED_MAX, TPP_AUDIT_KEPT_MS_MIN } from '../store/audit.ts';
import type { AuditEntry, AuditFilter, StoredAuditEntry } from '../store/store.ts';
import { auditActorOf, forOperation } from './access.ts';
import type { OperatorOptions } from './options.ts';
import { Problem } from './problem.ts';
import { fieldProblem, isoTime, readJson, readPage, readTime, shapedValue } from './read.ts';

/** Entries of the audit on one page unless the caller asks for another number. */
export const AUDIT_PER_PAGE = 100;
/** Most entries of the audit on one page. */
export const AUDIT_PER_PAGE_MAX = 1000;

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

/** One page of the audit, the newest first. */
export const AuditPage = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          at: time('When'),
          actor: Type.String({
            description:
              'Name of the operator token or of the caller at the identity provider; tpp:CLIENT_ID; tidings: the service by itself',
          }),
          role: Type.Optional(Type.String({ description: 'The role that allowed it' })),
          authenticatedBy: Type.Optional(
            Type.Enum(['token', 'oidc', 'access-token', 'service'], { description: 'How the actor showed who it is' }),
          ),
          from: Type.Optional(
            Type.String({ description: 'Address that the connection came from; behind a proxy, that of the proxy' }),
          ),
          action: Type.String({ description: 'Such as redeliver, tpp-changed, expire' }),
          subject: Type.String({ description: 'What it was done to, such as a client_id' }),
          detail: Type.Object({}, { description: 'What exactly' }),
          before: Type.Optional(Type.Object({}, { description: 'What it was; of keys only the kids' })),
          after: Type.Optional(Type.Object({}, { description: 'What it became; of keys only the kids' })),
        },
        closed,
      ),
      { maxItems: AUDIT_PER_PAGE_MAX },
    ),
    next: Type.Optional(Type.String({ description: 'Give it as "before" for older ones; absent on the last page' })),
  },
  closed,
);
export type AuditPage = Static<typeof AuditPage>;

/** An entry as the API gives it. */
function writeAuditEntry({ atMs, ...entry }: StoredAuditEntry): AuditPage['entries'][number] {
  return { ...entry, at: isoTime(atMs) };
}

/** Most entries on a page of those that may be archived: as many as may be dropped at once. */
export const ARCHIVABLE_PER_PAGE_MAX = AUDIT_DROPPED_MAX;

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

/** GET /operator/v1/audit; GET /operator/v1/audit/archivable and POST /operator/v1/audit/drops: what TPPs changed themselves leaves it by age. */
export function registerAuditRoutes(app: FastifyInstance, { store, clock }: OperatorOptions): void {
  app.get<WithQuery>('/operator/v1/audit', forOperation('listAudit'), async (request): Promise<AuditPage> => {
    const { before, limit, filter } = readAuditQuery(request.query);
    // One more than asked for tells whether there are older ones.
    const found = await store.auditEntries(before, limit + 1, filter);
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      entries: shown.map(writeAuditEntry),
      ...(found.length > shown.length && last !== undefined && { next: last.id }),
    };
  });

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

const TEXT_CHARS_MAX = 256;
const ID = /^[1-9]\d{0,15}$/;

/** Which entries of the audit are asked for. */
interface AuditQuery {
  /** id to begin before. */
  readonly before: string | undefined;
  readonly limit: number;
  readonly filter: AuditFilter;
}

/** Reads the query of the audit. `before` is a time, or the cursor of a page, which lies before it anyway. @throws {Problem} 400 */
function readAuditQuery(query: Readonly<Record<string, unknown>>): AuditQuery {
  const { actor, action, subject, from, ...others } = query;
  const page = readPage(others, { cursor: 'before', limitDefault: AUDIT_PER_PAGE, limitMax: AUDIT_PER_PAGE_MAX });
  const { cursor, limit } = page;
  const isId = cursor !== undefined && ID.test(cursor);
  const beforeMs = isId ? undefined : readTime('before', cursor, '"next" of a page, or a date and time');
  const fromMs = readTime('from', from);
  const texts = {
    actor: readText('actor', actor),
    action: readText('action', action),
    subject: readText('subject', subject),
  };
  const filter = { ...texts, fromMs, beforeMs };
  return { before: isId ? cursor : undefined, limit, filter: withoutUndefined(filter) };
}

function readText(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw fieldProblem(name, 'must be given once');
  if (value === '' || isLongerThan(value, TEXT_CHARS_MAX)) {
    throw fieldProblem(name, `must have 1 to ${TEXT_CHARS_MAX} characters`);
  }
  return value;
}

function withoutUndefined(
  filter: { readonly [name in keyof AuditFilter]: AuditFilter[name] | undefined },
): AuditFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
