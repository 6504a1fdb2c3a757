import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { StoredAuditEntry } from '../store/store.ts';
import { isoTime } from './iso-time.ts';
import type { OperatorOptions } from './options.ts';
import type { PublishingGate } from './publishing-gate.ts';
import { readPage } from './read-page.ts';
import { forOperation } from './roles.ts';

/** Entries of the audit on one page unless the caller asks for another number. */
export const AUDIT_PER_PAGE = 100;
/** Most entries of the audit on one page. */
export const AUDIT_PER_PAGE_MAX = 1000;

const closed = { additionalProperties: false };
const time = (description: string) => Type.String({ format: 'date-time', description });

/** How the service fares. */
export const Status = Type.Object(
  {
    awaiting: Type.Integer({ minimum: 0, description: 'Notifications that are not acknowledged yet' }),
    oldestAwaitingAt: Type.Optional(time('When the oldest of them was published')),
    unresponsive: Type.Integer({ minimum: 0, description: 'Callback URLs past a limit of the retry policy' }),
    signingKeyProblem: Type.Optional(
      Type.String({ description: 'Why the instance that answers does not sign with the current key' }),
    ),
    publishing: Type.Enum(['open', 'closed'], { description: 'closed: answered 503, see publishingClosedBecause' }),
    publishingClosedBecause: Type.Optional(Type.String()),
  },
  closed,
);
export type Status = Static<typeof Status>;

/** One page of the audit, the newest first. */
export const AuditPage = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          at: time('When'),
          actor: Type.String({ description: 'Name of the operator token; tidings: the service by itself' }),
          action: Type.String({ description: 'Such as redeliver, tpp-changed, expire' }),
          subject: Type.String({ description: 'What it was done to, such as a client_id' }),
          detail: Type.Object({}, { description: 'What exactly' }),
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

interface WithQuery {
  Querystring: Readonly<Record<string, unknown>>;
}

/** What an operator looks at now and then: how it fares, and who changed what. */
export function registerUpkeepRoutes(
  app: FastifyInstance,
  { store, signingKeys }: OperatorOptions,
  gate: PublishingGate | undefined,
): void {
  app.get('/operator/v1/status', forOperation('getStatus'), async (): Promise<Status> => {
    const [counts, oldestAwaitingAtMs, closedBecause] = await Promise.all([
      store.counts(),
      store.oldestAwaitingAtMs(),
      gate?.closedBecause(),
    ]);
    const signingKeyProblem = signingKeys?.problem();
    return {
      ...counts,
      ...(oldestAwaitingAtMs !== undefined && { oldestAwaitingAt: isoTime(oldestAwaitingAtMs) }),
      ...(signingKeyProblem !== undefined && { signingKeyProblem }),
      publishing: closedBecause === undefined ? 'open' : 'closed',
      ...(closedBecause !== undefined && { publishingClosedBecause: closedBecause }),
    };
  });

  app.get<WithQuery>('/operator/v1/audit', forOperation('listAudit'), async (request): Promise<AuditPage> => {
    const page = readPage(request.query, {
      ...{ cursor: 'before', cursorPattern: /^[1-9]\d{0,15}$/ },
      ...{ limitDefault: AUDIT_PER_PAGE, limitMax: AUDIT_PER_PAGE_MAX },
    });
    // One more than asked for tells whether there are older ones.
    const found = await store.auditEntries(page.cursor, page.limit + 1);
    const shown = found.slice(0, page.limit);
    const last = shown.at(-1);
    return {
      entries: shown.map(writeEntry),
      ...(found.length > shown.length && last !== undefined && { next: last.id }),
    };
  });
}

function writeEntry({ atMs, detail, ...entry }: StoredAuditEntry): AuditPage['entries'][number] {
  return { ...entry, at: isoTime(atMs), detail: { ...detail } };
}
