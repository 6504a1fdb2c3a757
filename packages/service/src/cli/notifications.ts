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
import { formatFacts, printTable, timeCell, timeFact, withTableFlags } from './output.ts';
import { assertTpp, readJti } from './subjects.ts';
import type { Column, Shortenable } from './table.ts';
import { formatDuration } from './units.ts';

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
  const about = 'List notifications, newest first. Several flags narrow the selection.';
  return withTableFlags(operatorCommand('find', about, EXAMPLES))
    .alias('list')
    .option('--jti <jti>', 'the notification with this jti', readJti)
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
  const about = 'Show a notification with its SET (decoded and encoded) and its attempts.';
  return withTableFlags(operatorCommand('show', about, exampleOf(SHOWING)))
    .argument('<jti>', 'id of the notification', readJti)
    .action((jti: string, flags: CommonFlags) => showNotification(jti, flags));
}

// The service searches a bounded number of notifications per page, so an empty page is no reason to stop. This limits how
// long a search takes.
const PAGES_MAX = 200;

/** `tidings notifications find` */
async function findNotifications(flags: FindFlags): Promise<void> {
  const found = await withOperatorClient(flags, (client) => findUpTo(client, flags));
  if (flags.json === true) return printJson(found);
  const empty = found.next === undefined ? 'No notification matches.' : 'No notification among the newest matches.';
  printTable(COLUMNS, found.notifications, { flags, empty });
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
  if (notifications.length === 0 && flags.client !== undefined) await assertTpp(client, flags.client);
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

const COLUMNS: readonly Column<ShownFound>[] = [
  { head: 'PUBLISHED', cell: ({ publishedAt }, nowMs) => timeCell(publishedAt, nowMs), rank: 2 },
  { head: 'JTI', cell: ({ jti }) => jti },
  { head: 'EVENT', cell: ({ eventId }) => eventId, rank: 5, charsMin: 8 },
  { head: 'TPP', cell: ({ clientId }) => clientId, rank: 1, charsMin: 8 },
  { head: 'RESOURCE', cell: ({ resourceId }) => resourceId, rank: 6, charsMin: 8 },
  { head: 'TYPES', cell: ({ eventTypes }) => shortTypes(eventTypes), rank: 7, charsMin: 8 },
  { head: 'STATE', cell: stateOf },
  { head: 'ATTEMPTS', cell: ({ attempts }) => String(attempts), rank: 4 },
  { head: 'LAST OUTCOME', cell: lastOutcomeOf, rank: 3, charsMin: 12 },
];

const shortTypes = (urns: readonly string[]) => urns.map((urn) => urn.slice(urn.lastIndexOf(':') + 1)).join(',');

function stateOf({ state, acknowledgedBy }: ShownFound): string | Shortenable {
  return acknowledgedBy === undefined ? state : { whole: `${state} (${acknowledgedBy})`, short: state };
}

function lastOutcomeOf({ lastOutcome, lastStatus, lastErrorClass }: ShownFound): string {
  return [lastOutcome, lastErrorClass ?? lastStatus].filter((part) => part !== undefined).join(' ');
}

/** `tidings notifications show` */
async function showNotification(jti: string, flags: CommonFlags): Promise<void> {
  const path = `/operator/v1/notifications/${encodeURIComponent(jti)}`;
  const call = { method: 'GET', path } as const;
  const { ShownNotification } = await import('../operator/notifications.ts');
  const { value: shown } = await withOperatorClient(flags, (client) => client.read(call, ShownNotification));
  if (flags.json === true) printJson(shown);
  else printNotification(shown, flags);
}

function printNotification(shown: ShownNotification, flags: CommonFlags): void {
  print(
    formatFacts({
      ...{ jti: shown.jti, event: shown.eventId, client_id: shown.clientId, txn: shown.transactionId },
      state: shown.state,
      published: timeFact(shown.publishedAt),
      acknowledged: shown.acknowledgedAt && `${timeFact(shown.acknowledgedAt)}, by ${shown.acknowledgedBy}`,
      'next attempt': timeFact(shown.nextAttemptAt),
    }),
  );
  if (shown.header !== undefined)
    printSection('header of the SET', escapeJson(JSON.stringify(shown.header, undefined, 2)));
  printSection('claims of the SET', escapeJson(JSON.stringify(shown.claims, undefined, 2)));
  printSection('SET', shown.set ?? 'not signed yet');
  printTitle('attempts');
  printTable(ATTEMPTS, shown.attempts, { flags, empty: 'There is no attempt yet.' });
  if (shown.errors.length === 0) return;
  printTitle('errors reported by the TPP');
  printTable(REPORTED_ERRORS, shown.errors, { flags, empty: '' });
}

const ATTEMPTS: readonly Column<ShownNotification['attempts'][number]>[] = [
  { head: 'STARTED', cell: ({ startedAt }, nowMs) => timeCell(startedAt, nowMs) },
  { head: 'DURATION', cell: ({ durationMs }) => formatDuration(durationMs), rank: 2 },
  { head: 'OUTCOME', cell: ({ outcome }) => outcome },
  { head: 'STATUS', cell: ({ errorClass, status }) => errorClass ?? status?.toString() },
  { head: 'ERROR', cell: errorOf, charsMin: 12, isOptional: true },
  { head: 'INTERACTION ID', cell: ({ interactionId }) => interactionId, rank: 1 },
  { head: 'CALLBACK URL', cell: ({ callbackUrl }) => callbackUrl, rank: 3, charsMin: 20 },
];

/** The TPP's own words of a refusal (RFC 8935 section 2.4), or what kept the response away. */
function errorOf({ err, description, detail }: ShownNotification['attempts'][number]): string | undefined {
  return err === undefined ? detail : [err, description].filter((text) => text !== undefined).join(': ');
}

const REPORTED_ERRORS: readonly Column<ShownNotification['errors'][number]>[] = [
  { head: 'REPORTED', cell: ({ reportedAt }, nowMs) => timeCell(reportedAt, nowMs) },
  { head: 'ERR', cell: ({ err }) => err, charsMin: 12 },
  { head: 'DESCRIPTION', cell: ({ description }) => description, charsMin: 12 },
];

function printTitle(name: string): void {
  print(`\n${colors.bold(name)}\n`);
}

function printSection(name: string, text: string): void {
  printTitle(name);
  print(`${text}\n`);
}
