import type { Command } from 'commander';
import { print, printJson } from '../base/output.ts';
import type { CallbackUrlHealth } from '../operator/callback-urls.ts';
import type { RegistrationPage, ShownRegistration, TppRegistrations } from '../operator/registrations.ts';
import { callbackUrlFacts, formatAwaiting } from './callback-url.ts';
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
import type { Column } from './table.ts';
import { formatDuration } from './units.ts';

/** Flags of `list`. */
interface RegistrationFlags extends CommonFlags {
  readonly apiVersion?: string;
  readonly resourceVersion?: string;
  readonly eventType?: string;
  readonly state?: string;
}

/** `tidings registrations`: the registrations of TPPs, and the health of callback URLs. */
export function define(command: Command): void {
  command
    .addCommand(
      withTableFlags(
        operatorCommand(
          'list',
          'List event subscriptions and callback URLs, ordered by client_id.',
          exampleOf('registrations list --state failing'),
        ),
      )
        .option('--api-version <version>', 'only those created or last changed through this API version: v3.1 or v4.0')
        .option('--resource-version <version>', 'only those with this minimum resource version, such as 4.0')
        .option('--event-type <type>', 'only those that receive this event type, given as a URN or code')
        .option(
          '--state <state>',
          'only those in this state: healthy, failing, unresponsive, suspended, polling-only or superseded',
        )
        .action((flags: RegistrationFlags) => listRegistrations(flags)),
    )
    .addCommand(
      withTableFlags(
        operatorCommand(
          'show',
          'Show the registrations of a TPP, with the health and the last outcomes of its callback URL.',
          exampleOf('registrations show tpp-1'),
        ),
      )
        .argument('<clientId>')
        .action((clientId: string, flags: CommonFlags) => showRegistrations(clientId, flags)),
    )
    .addHelpText(
      'after',
      `
Examples:
  tidings registrations list --state failing
  tidings registrations list --event-type UK.OBIE.Resource-Update --json
  tidings registrations show tpp-1

Use "list" to find the callback URLs that need attention, and "show" to see why deliveries to one TPP fail.
${CONNECTION_HELP}`,
    );
}

const PAGE = 1000;

const FLAG_NAMES = {
  apiVersion: '--api-version',
  version: '--resource-version',
  eventType: '--event-type',
  state: '--state',
};

/** `tidings registrations list` */
async function listRegistrations(flags: RegistrationFlags): Promise<void> {
  const registrations = await withOperatorClient(flags, (client) => allRegistrations(client, flags));
  if (flags.json === true) return printJson({ registrations });
  printTable(COLUMNS, registrations, { flags, empty: 'No registration matches.' });
}

const COLUMNS: readonly Column<ShownRegistration>[] = [
  { head: 'CLIENT ID', cell: ({ clientId }) => clientId, charsMin: 18 },
  { head: 'KIND', cell: ({ kind }) => kind, rank: 1 },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'API', cell: ({ apiVersion }) => apiVersion, rank: 4 },
  { head: 'VERSION', cell: ({ version }) => version, rank: 5 },
  { head: 'EVENT TYPES', cell: typesOf, rank: 3, charsMin: 11 },
  { head: 'CALLBACK URL', cell: ({ callbackUrl }) => callbackUrl, rank: 2, charsMin: 24 },
];

async function allRegistrations(client: OperatorClient, flags: RegistrationFlags): Promise<ShownRegistration[]> {
  const { RegistrationPage } = await import('../operator/registrations.ts');
  const readPage = client.reader(RegistrationPage);
  const registrations: ShownRegistration[] = [];
  const { apiVersion, resourceVersion: version, eventType, state } = flags;
  let after: string | undefined;
  do {
    const query = queryOf({ limit: String(PAGE), apiVersion, version, eventType, state, after });
    const call = { method: 'GET', path: `/operator/v1/registrations?${query}`, flagNames: FLAG_NAMES } as const;
    const page: RegistrationPage = (await readPage(call)).value;
    registrations.push(...page.registrations);
    after = page.next;
  } while (after !== undefined);
  return registrations;
}

/** `tidings registrations show` */
async function showRegistrations(clientId: string, flags: CommonFlags): Promise<void> {
  const [{ RegisteredTpp }, { TppRegistrations }, { CallbackUrlHealth }] = await Promise.all([
    import('../operator/tpp-schemas.ts'),
    import('../operator/registrations.ts'),
    import('../operator/callback-urls.ts'),
  ]);
  const path = `/operator/v1/tpps/${encodeURIComponent(clientId)}`;
  await withOperatorClient(flags, async (client) => {
    const { value: tpp } = await client.read({ method: 'GET', path }, RegisteredTpp);
    const call = { method: 'GET', path: `${path}/registrations` } as const;
    const { value: registrations } = await client.read(call, TppRegistrations);
    const healthCall = { method: 'GET', path: `/operator/v1/callback-urls/${encodeURIComponent(clientId)}` } as const;
    const health = tpp.target && (await client.read(healthCall, CallbackUrlHealth)).value;
    if (flags.json === true) printJson({ clientId, ...registrations, ...(health !== undefined && { health }) });
    else printRegistrations(clientId, { registrations, health, flags });
  });
}

function printRegistrations(
  clientId: string,
  shown: {
    readonly registrations: TppRegistrations;
    readonly health: CallbackUrlHealth | undefined;
    readonly flags: CommonFlags;
  },
): void {
  const { registrations, health, flags } = shown;
  const { eventSubscription: subscription, callbackUrl } = registrations;
  print(
    formatFacts({
      'client id': clientId,
      effective: registrations.effective ?? 'no registration',
      'event subscription': subscription?.eventSubscriptionId,
      'event types': subscription && typesOf(subscription),
      'minimum version': subscription?.version,
      'callback URL resource': callbackUrl?.callbackUrlId,
      'pushed to': health?.callbackUrl ?? 'nothing is pushed',
      ...(health && healthFacts(health)),
    }),
  );
  if (health === undefined) return;
  print('\nlast outcomes\n');
  printTable(OUTCOMES, health.lastOutcomes, { flags, empty: 'There is no attempt yet.' });
}

const OUTCOMES: readonly Column<CallbackUrlHealth['lastOutcomes'][number]>[] = [
  { head: 'STARTED', cell: ({ startedAt }, nowMs) => timeCell(startedAt, nowMs) },
  { head: 'OUTCOME', cell: ({ outcome }) => outcome },
  { head: 'ANSWER', cell: ({ status, errorClass }) => status?.toString() ?? errorClass },
  { head: 'DURATION', cell: ({ durationMs }) => formatDuration(durationMs), rank: 2 },
  { head: 'JTI', cell: ({ jti }) => jti, rank: 1 },
  { head: 'INSTANCE', cell: ({ instance }) => instance, rank: 3, charsMin: 8 },
];

function healthFacts(health: CallbackUrlHealth): Record<string, string | undefined> {
  const { breaker } = health;
  const paused = breaker?.pausedUntil === undefined ? '' : ` until ${timeFact(breaker.pausedUntil)}`;
  return {
    ...callbackUrlFacts(health),
    'next attempt': timeFact(health.nextAttemptAt),
    'circuit breaker of this instance': breaker && `${breaker.state}${paused}`,
    awaiting: formatAwaiting(health),
    'oldest awaiting': timeFact(health.oldestAwaitingAt),
  };
}

function typesOf({ eventTypes }: { readonly eventTypes?: readonly string[] }): string {
  return eventTypes === undefined || eventTypes.length === 0 ? 'all' : eventTypes.join(',');
}
