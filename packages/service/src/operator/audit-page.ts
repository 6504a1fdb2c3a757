import { type Static, Type } from 'typebox';
import type { StoredAuditEntry } from '../store/store.ts';
import { isoTime } from './iso-time.ts';

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
export function writeAuditEntry({ atMs, ...entry }: StoredAuditEntry): AuditPage['entries'][number] {
  return { ...entry, at: isoTime(atMs) };
}
