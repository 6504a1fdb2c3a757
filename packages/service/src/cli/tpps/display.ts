import { isJsonObject } from '@tidings/protocol';
import { colors, print } from '../../base/output.ts';
import type { TppRegistrations } from '../../operator/registrations.ts';
import type { KeysOfTpp } from '../../operator/tpp-keys.ts';
import type { ListedTpp, RegisteredTpp } from '../../operator/tpp-schemas.ts';
import { ATTENTION_COLUMNS, callbackUrlFacts, formatAwaiting } from '../callback-url.ts';
import { formatFacts, printTable, type TableFlags, timeFact } from '../output.ts';
import type { Column } from '../table.ts';

/** Prints TPPs as a table. */
export function printTpps(tpps: readonly ListedTpp[], flags: TableFlags): void {
  const empty = 'No TPP is registered. Add one with "tidings tpps add" or "tidings tpps import".';
  printTable(COLUMNS, tpps, { flags, empty });
}

/** Prints the TPPs whose callback URL is failing or unresponsive, in their order. */
export function printFailingTpps(tpps: readonly ListedTpp[], flags: TableFlags): void {
  const rows = tpps.flatMap(({ target, ...tpp }) => (target === undefined ? [] : [{ ...tpp, ...target }]));
  printTable(ATTENTION_COLUMNS, rows, { flags, empty: 'No callback URL is failing or unresponsive.' });
}

const COLUMNS: readonly Column<ListedTpp>[] = [
  { head: 'CLIENT ID', cell: ({ clientId }) => clientId, charsMin: 18 },
  { head: 'ORGANISATION', cell: ({ organisationId }) => organisationId, rank: 3, charsMin: 12 },
  { head: 'SOFTWARE STATEMENT', cell: ({ softwareStatementId }) => softwareStatementId, rank: 4, charsMin: 18 },
  {
    head: 'KEYS',
    cell: ({ jwksUrl, kids }) => (jwksUrl === undefined ? `${kids?.length ?? 0} inline` : 'URL'),
    rank: 2,
  },
  { head: 'SCOPES', cell: ({ scopes }) => scopes?.join(',') ?? 'all', rank: 1, charsMin: 8 },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'AWAITING', cell: formatAwaiting, rank: 1 },
];

/** Prints a TPP, its keys and its registrations as facts. */
export function printTpp(tpp: RegisteredTpp, registrations: TppRegistrations, keys: KeysOfTpp): void {
  const overrides = Object.entries(tpp.retry ?? {}).map(([name, value]) => `${name}=${value}`);
  print(
    formatFacts({
      client_id: tpp.clientId,
      state: tpp.isSuspended ? 'suspended: requests get 403, nothing is delivered, events are kept' : tpp.state,
      organisation: tpp.organisationId,
      'software statement': tpp.softwareStatementId,
      keys: tpp.jwksUrl ?? describeKids(tpp),
      'revoked keys': tpp.revokedJwksUrl,
      ...(keys.from === 'url' && fetchingFacts(keys)),
      ...certificateFacts(keys),
      'at the directory': directoryFact(keys),
      'certificate subject': tpp.certificateSubject ?? 'any to which its tokens are bound',
      scopes: tpp.scopes?.join(', ') ?? 'all',
      'retry policy': overrides.length === 0 ? 'as configured' : `${overrides.join(', ')}; otherwise as configured`,
      awaiting: formatAwaiting(tpp),
      'oldest awaiting': timeFact(tpp.oldestAwaitingAt),
      ...(tpp.target && { 'pushed to': tpp.target.callbackUrl, ...callbackUrlFacts(tpp.target) }),
    }),
  );
  printRegistrations(registrations);
}

function directoryFact({ statement }: KeysOfTpp): string | undefined {
  if (statement === undefined) return undefined;
  const { outcome, reason, checkedAt } = statement;
  return `${outcome}${reason === undefined ? '' : `: ${reason}`}, ${timeFact(checkedAt)}`;
}

/** The certificates that are known for each use. What is said in them is the issuer's word. */
function certificateFacts({ certificates }: KeysOfTpp): Record<string, string> {
  const facts = certificates.map((certificate) => {
    const { use, kid, kind, organisationIdentifier, pspRoles = [], subject, notAfter, lastSeenAt } = certificate;
    const of = organisationIdentifier === undefined ? '' : ` of ${organisationIdentifier}`;
    const roles = pspRoles.length === 0 ? '' : ` (${pspRoles.join(', ')})`;
    const what = kind === undefined ? subject : `${kind}${of}${roles}`;
    const seen = lastSeenAt === undefined ? `key ${kid}` : `seen ${timeFact(lastSeenAt)}`;
    return [use, `${what}, expires ${timeFact(notAfter)}, ${seen}`] as const;
  });
  const grouped = Map.groupBy(facts, ([use]) => use);
  return Object.fromEntries(
    [...grouped].map(([use, found]) => [`${use} certificates`, found.map(([, text]) => text).join('; ')]),
  );
}

/** Each instance fetches for itself: the one that answered is named. */
function fetchingFacts({ keys, fetchedAt, lastFailure, instance }: KeysOfTpp): Record<string, string | undefined> {
  const by = instance === undefined ? '' : `, by ${instance.host} (process ${instance.processId})`;
  const held = keys.map(({ kid = 'without kid', state }) => (state === 'usable' ? kid : `${kid} (${state})`));
  return {
    'keys fetched': fetchedAt === undefined ? `not yet${by}` : `${timeFact(fetchedAt)}${by}: ${held.join(', ')}`,
    'last failed fetch': lastFailure && `${timeFact(lastFailure.at)}: ${lastFailure.reason}`,
  };
}

function describeKids({ jwks }: RegisteredTpp): string {
  const kids = jwks?.keys.map((key) => (isJsonObject(key) ? String(key['kid']) : 'not a key')) ?? [];
  return `inline: ${kids.join(', ')}`;
}

function printRegistrations({ effective, eventSubscription, callbackUrl }: TppRegistrations): void {
  if (effective === undefined) print('\nIt has no registration, so its events create no notifications.\n');
  if (eventSubscription !== undefined) {
    print(`\n${colors.bold('event subscription')}\n`);
    print(
      formatFacts({
        id: eventSubscription.eventSubscriptionId,
        'callback URL': eventSubscription.callbackUrl ?? 'none: polling',
        version: `${eventSubscription.version}, registered through ${eventSubscription.apiVersion}`,
        'event types': eventSubscription.eventTypes?.join(', ') || 'all',
        'unresponsive since': timeFact(eventSubscription.unresponsiveSince),
      }),
    );
  }
  if (callbackUrl === undefined) return;
  const note = effective === 'callback-url' ? '' : ' (superseded by the event subscription)';
  print(`\n${colors.bold('callback URL')}${note}\n`);
  print(
    formatFacts({
      id: callbackUrl.callbackUrlId,
      URL: callbackUrl.url,
      version: `${callbackUrl.version}, registered through ${callbackUrl.apiVersion}`,
      'unresponsive since': timeFact(callbackUrl.unresponsiveSince),
    }),
  );
}
