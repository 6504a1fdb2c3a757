import { shapeOf } from '@tidings/protocol';
import { colors, print, printJson } from '../base/output.ts';
import { escapeJson } from '../base/terminal-text.ts';
import { FOUND_PER_PAGE_MAX, NotificationPage, type ShownFound, ShownNotification } from '../operator/notifications.ts';
import type { FindFlags } from './notifications.ts';
import type { OperatorClient } from './operator-client.ts';
import { type CommonFlags, withOperatorClient } from './operator-flags.ts';
import { factsOf, tableOf } from './table.ts';

const shapePage = shapeOf(NotificationPage);
const shapeNotification = shapeOf(ShownNotification);

// A page looks through a bounded number of notifications, so that one that holds none is no reason to stop. Whoever
// waits can still be told how far it came.
const PAGES_MAX = 200;

/** `tidings notifications find` */
export async function findNotifications(flags: FindFlags): Promise<void> {
  const found = await withOperatorClient(flags, (client) => findUpTo(client, flags));
  if (flags.json === true) return printJson(found);
  if (found.notifications.length > 0) print(tableOf(HEAD, found.notifications.map(rowOf)));
  else if (found.next === undefined) print('There is no such notification.\n');
  if (found.next !== undefined) print(`There may be older ones: --after ${found.next}\n`);
}

/** Page after page, as many as are wanted. */
async function findUpTo(client: OperatorClient, flags: FindFlags): Promise<NotificationPage> {
  const { limit } = flags;
  const notifications: ShownFound[] = [];
  let { after } = flags;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const wanted = Math.min(limit - notifications.length, FOUND_PER_PAGE_MAX);
    const path = `/operator/v1/notifications?${queryOf(flags, after, wanted)}`;
    const { value: page } = await client.read({ method: 'GET', path }, shapePage);
    notifications.push(...page.notifications);
    after = page.next;
    if (after === undefined || notifications.length >= limit) break;
  }
  return { notifications, ...(after !== undefined && { next: after }) };
}

function queryOf(flags: FindFlags, after: string | undefined, limit: number): string {
  const { jti, event: eventId, transaction: transactionId, resource: resourceId, client: clientId } = flags;
  const { type: eventType, state, from: publishedFrom, before: publishedBefore } = flags;
  const about = { jti, eventId, transactionId, resourceId, clientId, eventType, state, publishedFrom, publishedBefore };
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries({ ...about, after })) if (value !== undefined) query.set(name, value);
  return query.toString();
}

const HEAD = ['PUBLISHED', 'JTI', 'EVENT', 'CLIENT ID', 'RESOURCE', 'TYPES', 'STATE', 'ATTEMPTS', 'LAST'];

function rowOf(found: ShownFound): string[] {
  const { publishedAt, jti, eventId, clientId, resourceId = '', eventTypes, attempts } = found;
  const state = found.acknowledgedBy === undefined ? found.state : `${found.state} (${found.acknowledgedBy})`;
  const { lastOutcome = '', lastStatus, lastErrorClass = lastStatus?.toString() } = found;
  const last = lastErrorClass === undefined ? lastOutcome : `${lastOutcome} ${lastErrorClass}`;
  const types = eventTypes.map((urn) => urn.slice(urn.lastIndexOf(':') + 1)).join(',');
  return [publishedAt, jti, eventId, clientId, resourceId, types, state, String(attempts), last];
}

/** `tidings notifications show` */
export async function showNotification(jti: string, flags: CommonFlags): Promise<void> {
  const path = `/operator/v1/notifications/${encodeURIComponent(jti)}`;
  const call = { method: 'GET', path } as const;
  const { value: shown } = await withOperatorClient(flags, (client) => client.read(call, shapeNotification));
  if (flags.json === true) printJson(shown);
  else printNotification(shown);
}

function printNotification(shown: ShownNotification): void {
  print(
    factsOf({
      ...{ jti: shown.jti, event: shown.eventId, client_id: shown.clientId, txn: shown.transactionId },
      state: shown.state,
      published: shown.publishedAt,
      acknowledged: shown.acknowledgedAt && `${shown.acknowledgedAt}, by ${shown.acknowledgedBy}`,
      'next attempt': shown.nextAttemptAt,
    }),
  );
  if (shown.header !== undefined)
    printPart('header of the SET', escapeJson(JSON.stringify(shown.header, undefined, 2)));
  printPart('claims of the SET', escapeJson(JSON.stringify(shown.claims, undefined, 2)));
  printPart('SET', shown.set ?? 'It is not signed yet.');
  if (shown.attempts.length > 0) {
    const rows = shown.attempts.map((attempt) => [
      ...[attempt.startedAt, `${attempt.durationMs} ms`, attempt.outcome],
      ...[attempt.errorClass ?? String(attempt.status ?? ''), attempt.interactionId, attempt.callbackUrl],
    ]);
    printPart(
      'attempts',
      tableOf(['BEGAN', 'TOOK', 'OUTCOME', 'STATUS', 'INTERACTION ID', 'CALLBACK URL'], rows).trimEnd(),
    );
  }
  if (shown.errors.length === 0) return;
  const rows = shown.errors.map(({ reportedAt, err, description }) => [reportedAt, err, description]);
  printPart('errors that the TPP reported', tableOf(['REPORTED', 'ERR', 'DESCRIPTION'], rows).trimEnd());
}

function printPart(name: string, text: string): void {
  print(`\n${colors.bold(name)}\n${text}\n`);
}
