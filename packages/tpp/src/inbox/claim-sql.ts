import type { InboxOrder } from './inbox-store.ts';

/** The placeholders of a claim, in the notation of the database. */
export interface ClaimPlaceholders {
  readonly now: string;
  readonly limit: string;
}

/**
 * The query for the ids of notifications that may be claimed. The same in both databases.
 *
 * @param suffix follows the limit, such as a locking clause
 */
export function claimableSql(order: InboxOrder, { now, limit }: ClaimPlaceholders, suffix = ''): string {
  return `SELECT n.id FROM tidings_inbox n WHERE n.state = 'waiting' AND n.due_at_ms <= ${now}
    ${CONDITIONS[order](now)} ORDER BY n.due_at_ms, n.id LIMIT ${limit} ${suffix}`;
}

// A leased notification is one whose lease has not ended: until then it is not due.
const CONDITIONS: Readonly<Record<InboxOrder, (now: string) => string>> = {
  none: () => '',
  resource: (now) => `AND NOT EXISTS (
      SELECT 1 FROM tidings_inbox o WHERE o.resource = n.resource AND o.state = 'waiting' AND o.id <> n.id
        AND ((o.toe, o.id) < (n.toe, n.id) OR (o.lease IS NOT NULL AND o.due_at_ms > ${now})))`,
  all: (now) => `AND n.id = (SELECT f.id FROM tidings_inbox f WHERE f.state = 'waiting' ORDER BY f.toe, f.id LIMIT 1)
      AND NOT EXISTS (
        SELECT 1 FROM tidings_inbox o WHERE o.state = 'waiting' AND o.lease IS NOT NULL AND o.due_at_ms > ${now})`,
};

/** Whether a later notification of the same resource was handled; a column `is_late` of 0 or 1. */
export const IS_LATE_SQL = `CASE WHEN EXISTS (
  SELECT 1 FROM tidings_inbox l WHERE l.resource = tidings_inbox.resource AND l.toe > tidings_inbox.toe
    AND l.state = 'handled') THEN 1 ELSE 0 END AS is_late`;
