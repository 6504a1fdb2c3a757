import { isJsonObject } from '@tidings/protocol';
import { colors, print } from '../base/output.ts';
import type { ShownTarget } from '../operator/callback-urls.ts';
import type { TppRegistrations } from '../operator/registrations.ts';
import type { ListedTpp, RegisteredTpp } from '../operator/tpp-schemas.ts';
import { factsOf, tableOf } from './output.ts';

/** Prints a list of TPPs as a table. */
export function printTpps(tpps: readonly ListedTpp[]): void {
  if (tpps.length === 0) {
    print('No TPP is registered; add one with "tidings tpps add", or import a software statement.\n');
    return;
  }
  const rows = tpps.map((tpp) => [
    tpp.clientId,
    tpp.organisationId,
    tpp.softwareStatementId,
    tpp.jwksUrl === undefined ? `${tpp.kids?.length ?? 0} inline` : 'URL',
    tpp.scopes?.join(',') ?? 'all',
    tpp.isSuspended ? 'suspended' : (tpp.target?.state ?? 'active'),
  ]);
  print(tableOf(['CLIENT ID', 'ORGANISATION', 'SOFTWARE STATEMENT', 'KEYS', 'SCOPES', 'STATE'], rows));
}

/** Prints one TPP with its registrations. */
export function printTpp(tpp: RegisteredTpp, registrations: TppRegistrations): void {
  print(
    factsOf({
      client_id: tpp.clientId,
      state: tpp.isSuspended ? 'suspended: 403, no deliveries, its events are kept' : 'active',
      organisation: tpp.organisationId,
      'software statement': tpp.softwareStatementId,
      keys: tpp.jwksUrl ?? kidsOf(tpp),
      'revoked keys': tpp.revokedJwksUrl,
      'certificate subject': tpp.certificateSubject ?? 'any that its tokens are bound to',
      scopes: tpp.scopes?.join(', ') ?? 'all',
      'retry policy': retryOf(tpp),
    }),
  );
  if (tpp.target !== undefined) printTarget(tpp.target);
  printRegistrations(registrations);
}

function retryOf({ retry = {} }: RegisteredTpp): string {
  const own = Object.entries(retry).map(([name, value]) => `${name}=${value}`);
  return own.length === 0 ? 'as configured' : `${own.join(', ')}; the rest as configured`;
}

function printTarget(target: ShownTarget): void {
  print(
    factsOf({
      'pushed to': target.callbackUrl,
      'which is': target.state,
      'unresponsive since': target.unresponsiveSince,
      'failed probes': target.failedProbes?.toString(),
      'next probe': target.nextProbeAt,
      'recovered at': target.recoveredAt,
    }),
  );
}

function printRegistrations({ effective, eventSubscription, callbackUrl }: TppRegistrations): void {
  if (effective === undefined) print('\nIt has no registration, so its events make no notifications.\n');
  if (eventSubscription !== undefined) {
    print(`\n${colors.bold('event subscription')}\n`);
    print(
      factsOf({
        id: eventSubscription.eventSubscriptionId,
        'callback URL': eventSubscription.callbackUrl ?? 'none: it polls',
        version: `${eventSubscription.version}, made through ${eventSubscription.apiVersion}`,
        'event types': eventSubscription.eventTypes?.join(', ') || 'all',
        'unresponsive since': eventSubscription.unresponsiveSince,
      }),
    );
  }
  if (callbackUrl === undefined) return;
  const note = effective === 'callback-url' ? '' : ' (superseded by the event subscription)';
  print(`\n${colors.bold('callback URL')}${note}\n`);
  print(
    factsOf({
      id: callbackUrl.callbackUrlId,
      URL: callbackUrl.url,
      version: `${callbackUrl.version}, made through ${callbackUrl.apiVersion}`,
      'unresponsive since': callbackUrl.unresponsiveSince,
    }),
  );
}

function kidsOf({ jwks }: RegisteredTpp): string {
  const kids = jwks?.keys.map((key) => (isJsonObject(key) ? String(key['kid']) : 'no key')) ?? [];
  return `inline: ${kids.join(', ')}`;
}
