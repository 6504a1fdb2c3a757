import { type Command, Option } from 'commander';
import { colors, print, printJson } from '../base/output.ts';
import { escapeJson } from '../base/terminal-text.ts';
import type { NotificationPage, ShownFound, ShownNotification } from '../operator/notifications.ts';
import { wholeNumber } from './input.ts';
import type { OperatorClient } from './operator-client.ts';
import {
  CONNECTION_HELP,
  type CommonFlags,
  exampleOf,
  operatorCommand,
  queryOf,
  withOperatorClient,
} from './operator-flags.ts';
import { formatFacts, formatTable } from './output.ts';

/** Flags that select notifications. */
interface FindFlags extends CommonFlags {
  readonly jti?: string;
  readonly event?: string;
  readonly transaction?: string;
  readonly resource?: string;
  readonly client?: string;
  readonly type?: string;
  readonly state?: string;
  readonly from?: string;
  readonly before?: string;
  readonly after?: string;
  /** Maximum number of notifications. */
  readonly limit: number;
}

const LIMIT_DEFAULT = 50;

const SHOWING = 'notifications show 190364f8-4f9c-420e-b4d1-76a6b5317fab';

const EXAMPLES = `
Examples:
  tidings notifications list
  tidings notifications find --resource aac-1
  tidings notifications find --client tpp-1 --state failed --from 2026-11-20T00:00:00Z
  tidings ${SHOWING}

Use "find" to answer what became of an event, a resource or a TPP's notifications; "show" adds the signed token (SET), every
attempt with its outcome, and the errors that the TPP reported.
`;

/** `tidings notifications`: the notifications of a running service. */
export function define(command: Command): void {
  command.addCommand(findCommand()).addCommand(showCommand()).addHelpText('after', `${EXAMPLES}${CONNECTION_HELP}`);
}

function findCommand(): Command {
  return operatorCommand('find', 'List notifications, newest first. Several flags narrow the selection.', EXAMPLES)
    .alias('list')
    .option('--jti <jti>', 'the notification with this jti')
    .option('--event <id>', 'notifications of this event id')
    .option('--transaction <id>', 'notifications with this transaction id (txn)')
    .option('--resource <id>', 'notifications about this resource id')
    .option('--client <id>', 'notifications for this TPP')
    .option('--type <type>', 'notifications with this event type (URN or code)')
    .addOption(
      new Option(
        '--state <state>',
        'notifications in this state; failed: awaiting after a failed attempt or a reported error',
      ).choices([...['awaiting', 'failed', 'acknowledged', 'withdrawn', 'expired']]),
    )
    .option('--from <time>', 'published at or after this time (ISO 8601 with time zone)')
    .option('--before <time>', 'published before this time')
    .option('--limit <number>', 'maximum number of notifications', wholeNumber(), LIMIT_DEFAULT)
    .option('--after <position>', 'continue an earlier list at the position that it printed')
    .action((flags: FindFlags) => findNotifications(flags));
}

function showCommand(): Command {
  return operatorCommand(
    'show',
    'Show a notification with its SET (decoded and encoded) and its attempts.',
    exampleOf(SHOWING),
  )
    .argument('<jti>')
    .action((jti: string, flags: CommonFlags) => showNotification(jti, flags));
}

// The service searches a bounded number of notifications per page, so an empty page is no reason to stop. This limits how
// long a search takes.
const PAGES_MAX = 200;

/** `tidings notifications find` */
async function findNotifications(flags: FindFlags): Promise<void> {
  const found = await withOperatorClient(flags, (client) => findUpTo(client, flags));
  if (flags.json === true) return printJson(found);
  if (found.notifications.length > 0) print(formatTable(HEAD, found.notifications.map(rowOf)));
  else if (found.next === undefined) print('No notification matches.\n');
  if (found.next !== undefined) print(`There may be older ones; continue with --after ${found.next}\n`);
}

/** Reads page after page up to the limit. */
async function findUpTo(client: OperatorClient, flags: FindFlags): Promise<NotificationPage> {
  const { FOUND_PER_PAGE_MAX, NotificationPage } = await import('../operator/notifications.ts');
  const readPage = client.reader(NotificationPage);
  const { limit } = flags;
  const notifications: ShownFound[] = [];
  let { after } = flags;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const wanted = Math.min(limit - notifications.length, FOUND_PER_PAGE_MAX);
    const path = `/operator/v1/notifications?${searchOf(flags, after, wanted)}`;
    const { value: page } = await readPage({ method: 'GET', path, flagNames: FLAG_NAMES });
    notifications.push(...page.notifications);
    after = page.next;
    if (after === undefined || notifications.length >= limit) break;
  }
  return { notifications, ...(after !== undefined && { next: after }) };
}

const FLAG_NAMES = {
  ...{ jti: '--jti', eventId: '--event', transactionId: '--transaction', resourceId: '--resource' },
  ...{ clientId: '--client', eventType: '--type', publishedFrom: '--from', publishedBefore: '--before' },
  after: '--after',
};

function searchOf(flags: FindFlags, after: string | undefined, limit: number): string {
  const { jti, event: eventId, transaction: transactionId, resource: resourceId, client: clientId } = flags;
  const { type: eventType, state, from: publishedFrom, before: publishedBefore } = flags;
  const about = { jti, eventId, transactionId, resourceId, clientId, eventType, state, publishedFrom, publishedBefore };
  return queryOf({ limit: String(limit), ...about, after });
}

const HEAD = ['PUBLISHED', 'JTI', 'EVENT', 'CLIENT ID', 'RESOURCE', 'TYPES', 'STATE', 'ATTEMPTS', 'LAST OUTCOME'];

function rowOf(found: ShownFound): string[] {
  const { publishedAt, jti, eventId, clientId, resourceId = '', eventTypes, attempts } = found;
  const state = found.acknowledgedBy === undefined ? found.state : `${found.state} (${found.acknowledgedBy})`;
  const { lastOutcome = '', lastStatus, lastErrorClass = lastStatus?.toString() } = found;
  const last = lastErrorClass === undefined ? lastOutcome : `${lastOutcome} ${lastErrorClass}`;
  const types = eventTypes.map((urn) => urn.slice(urn.lastIndexOf(':') + 1)).join(',');
  return [publishedAt, jti, eventId, clientId, resourceId, types, state, String(attempts), last];
}

/** `tidings notifications show` */
async function showNotification(jti: string, flags: CommonFlags): Promise<void> {
  const path = `/operator/v1/notifications/${encodeURIComponent(jti)}`;
  const call = { method: 'GET', path } as const;
  const { ShownNotification } = await import('../operator/notifications.ts');
  const { value: shown } = await withOperatorClient(flags, (client) => client.read(call, ShownNotification));
  if (flags.json === true) printJson(shown);
  else printNotification(shown);
}

function printNotification(shown: ShownNotification): void {
  print(
    formatFacts({
      ...{ jti: shown.jti, event: shown.eventId, client_id: shown.clientId, txn: shown.transactionId },
      state: shown.state,
      published: shown.publishedAt,
      acknowledged: shown.acknowledgedAt && `${shown.acknowledgedAt}, by ${shown.acknowledgedBy}`,
      'next attempt': shown.nextAttemptAt,
    }),
  );
  if (shown.header !== undefined)
    printSection('header of the SET', escapeJson(JSON.stringify(shown.header, undefined, 2)));
  printSection('claims of the SET', escapeJson(JSON.stringify(shown.claims, undefined, 2)));
  printSection('SET', shown.set ?? 'not signed yet');
  if (shown.attempts.length > 0) {
    const rows = shown.attempts.map((attempt) => [
      ...[attempt.startedAt, `${attempt.durationMs} ms`, attempt.outcome],
      ...[attempt.errorClass ?? String(attempt.status ?? ''), attempt.interactionId, attempt.callbackUrl],
    ]);
    printSection(
      'attempts',
      formatTable(['STARTED', 'DURATION', 'OUTCOME', 'STATUS', 'INTERACTION ID', 'CALLBACK URL'], rows).trimEnd(),
    );
  }
  if (shown.errors.length === 0) return;
  const rows = shown.errors.map(({ reportedAt, err, description }) => [reportedAt, err, description]);
  printSection('errors reported by the TPP', formatTable(['REPORTED', 'ERR', 'DESCRIPTION'], rows).trimEnd());
}

function printSection(name: string, text: string): void {
  print(`\n${colors.bold(name)}\n${text}\n`);
}
