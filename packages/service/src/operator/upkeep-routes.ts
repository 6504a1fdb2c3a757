import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { type AuditPage, writeAuditEntry } from './audit-page.ts';
import { isoTime } from './iso-time.ts';
import type { OperatorOptions } from './options.ts';
import type { PublishingGate } from './publishing-gate.ts';
import { readAuditQuery } from './read-audit-query.ts';
import { forOperation } from './roles.ts';

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
}
