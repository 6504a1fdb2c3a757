import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { lazy, type ReactElement, Suspense } from 'react';
import type { Schemas } from '../api/client.ts';
import { describeAttempt, failingSince } from '../api/health.ts';
import { auditQuery, callbackUrlQuery, tppQuery, tppRegistrationsQuery } from '../api/queries.ts';
import { searchQuery } from '../api/search.ts';
import { useMay } from '../session/session.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, CopyButton, Id, shellQuoted } from '../ui/copy.tsx';
import { Card, Empty, Loaded, Loading, Page } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { formatDuration, Lasting, Time } from '../ui/time.tsx';
import { AuditList } from './audit-list.tsx';
import { FoundTable } from './found-table.tsx';
import { RetrySchedule } from './retry-schedule.tsx';
import { TppActions } from './tpp-actions.tsx';
import { TppKeys } from './tpp-keys.tsx';

type Tpp = Schemas['RegisteredTpp'];

const Throughput = lazy(async () => ({ default: (await import('./throughput.tsx')).Throughput }));

const TABS = ['overview', 'notifications', 'registration', 'keys', 'retry policy', 'audit'] as const;
type Tab = (typeof TABS)[number];

/** One TPP, by tabs, each of which has an address. */
export function OneTpp(): ReactElement {
  const { clientId } = useParams({ from: '/shell/tpps/$clientId' });
  const { tab = 'overview' } = useSearch({ from: '/shell/tpps/$clientId' });
  const tpp = useQuery(tppQuery(clientId));
  const shown = TABS.find((each) => each === tab) ?? 'overview';
  return (
    <Page
      title={clientId}
      beside={<CopyButton text={clientId} label={`Copy ${clientId}`} />}
      actions={tpp.data !== undefined && <TppActions tpp={tpp.data} />}
    >
      <nav className="tabs" aria-label={`Parts of ${clientId}`}>
        {TABS.map((each) => (
          <Link
            key={each}
            to="/tpps/$clientId"
            params={{ clientId }}
            search={each === 'overview' ? {} : { tab: each }}
            aria-current={each === shown ? 'page' : undefined}
            className={each === shown ? 'chosen' : ''}
            activeProps={{}}
          >
            {each}
          </Link>
        ))}
      </nav>
      <Loaded query={tpp}>{(found) => <Part tab={shown} tpp={found} />}</Loaded>
    </Page>
  );
}

function Part({ tab, tpp }: { readonly tab: Tab; readonly tpp: Tpp }): ReactElement {
  const { clientId } = tpp;
  switch (tab) {
    case 'overview':
      return <Overview tpp={tpp} />;
    case 'notifications':
      return <ItsNotifications clientId={clientId} />;
    case 'registration':
      return <Registration clientId={clientId} />;
    case 'keys':
      return <TppKeys tpp={tpp} />;
    case 'retry policy':
      return (
        <Card title="Retry policy">
          <RetrySchedule own={tpp.retry} />
          <ChangeRetry clientId={clientId} />
        </Card>
      );
    case 'audit':
      return <ItsAudit clientId={clientId} />;
  }
}

function ChangeRetry({ clientId }: { readonly clientId: string }): ReactElement | null {
  if (!useMay('administrator')) return null;
  return (
    <>
      <p className="label">To give it a policy of its own</p>
      <CommandLine command={`tidings tpps change ${shellQuoted(clientId)} --retry retriesMax=10,delayMs=2000`} />
    </>
  );
}

function Overview({ tpp }: { readonly tpp: Tpp }): ReactElement {
  const { clientId, isSuspended, organisationId, softwareStatementId, certificateSubject, scopes } = tpp;
  const url = useQuery(callbackUrlQuery(clientId));
  return (
    <>
      <Card title="Callback URL" beside={isSuspended && <StateBadge state="suspended" />}>
        <Loaded query={url}>
          {(found) =>
            found === null ? (
              <Empty>Nothing is pushed to it: it polls only, is suspended, or has no registration.</Empty>
            ) : (
              <CallbackUrl url={found} />
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={<Loading />}>
        <Throughput clientId={clientId} />
      </Suspense>
      <Card title="Who it is">
        <dl className="pairs">
          <dt>Organisation</dt>
          <dd>
            <Id id={organisationId} isWhole />
          </dd>
          <dt>Software statement</dt>
          <dd>
            <Id id={softwareStatementId} isWhole />
          </dd>
          <dt>Certificate subject</dt>
          <dd>{certificateSubject ?? 'any that its access token is bound to'}</dd>
          <dt>Scopes</dt>
          <dd>{scopes?.join(', ') ?? 'all'}</dd>
        </dl>
        <CommandLine command={`tidings tpps show ${shellQuoted(clientId)}`} />
      </Card>
    </>
  );
}

function CallbackUrl({ url }: { readonly url: Schemas['CallbackUrlHealth'] }): ReactElement {
  const { state } = url;
  const since = failingSince(url);
  return (
    <>
      <dl className="pairs">
        <dt>URL</dt>
        <dd>
          <Id id={url.callbackUrl} isWhole />
        </dd>
        <dt>State</dt>
        <dd>
          <StateBadge state={state} />
          {state !== 'healthy' && since !== undefined && (
            <>
              {' '}
              for <Lasting since={since} />
            </>
          )}
        </dd>
        <dt>Awaiting</dt>
        <dd>
          {url.isAtLeast && 'at least '}
          {url.awaiting.toLocaleString('en-GB')}
        </dd>
        {state !== 'unresponsive' && url.breaker !== undefined && (
          <>
            <dt>Sending</dt>
            <dd>
              <StateBadge state={url.breaker.state} />
              {url.breaker.pausedUntil !== undefined && (
                <>
                  {' '}
                  next attempt <Time at={url.breaker.pausedUntil} />
                </>
              )}
            </dd>
          </>
        )}
        {url.nextProbeAt !== undefined && (
          <>
            <dt>Next probe</dt>
            <dd>
              <Time at={url.nextProbeAt} /> ({url.failedProbes ?? 0} failed)
            </dd>
          </>
        )}
      </dl>
      <LastAttempts attempts={url.lastOutcomes} />
    </>
  );
}

/** The reason beside the outcome, which is not said again. */
function whyOf(attempt: Schemas['CallbackUrlHealth']['lastOutcomes'][number]): string {
  return attempt.outcome === 'acknowledged' ? '' : describeAttempt(attempt).replace(/^refused /, '');
}

function LastAttempts({
  attempts,
}: {
  readonly attempts: Schemas['CallbackUrlHealth']['lastOutcomes'];
}): ReactElement | null {
  if (attempts.length === 0) return null;
  return (
    <>
      <h3>Last attempts</h3>
      <Table columns={['When', 'What came of it', 'Took', 'Notification']}>
        {attempts.map((attempt) => (
          <tr key={attempt.interactionId}>
            <td data-label="When">
              <Time at={attempt.startedAt} />
            </td>
            <td data-label="What came of it">
              <StateBadge state={attempt.outcome} /> {whyOf(attempt)}
            </td>
            <td data-label="Took">{formatDuration(attempt.durationMs)}</td>
            <td data-label="Notification">
              <Link to="/notifications/$jti" params={{ jti: attempt.jti }}>
                <code className="short">{attempt.jti}</code>
              </Link>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

function ItsNotifications({ clientId }: { readonly clientId: string }): ReactElement {
  const found = useInfiniteQuery(searchQuery({ client: clientId }));
  return (
    <Card
      title="Notifications"
      beside={
        <Link to="/notifications" search={{ client: clientId }}>
          Search among them
        </Link>
      }
    >
      <Loaded query={found}>
        {({ pages }) => <FoundTable found={pages.flatMap((page) => page.notifications).slice(0, 100)} />}
      </Loaded>
      <CommandLine command={`tidings notifications find --client ${shellQuoted(clientId)}`} />
    </Card>
  );
}

function Registration({ clientId }: { readonly clientId: string }): ReactElement {
  const registrations = useQuery(tppRegistrationsQuery(clientId));
  return (
    <Card title="Registration">
      <Loaded query={registrations}>
        {({ effective, eventSubscription, callbackUrl }) =>
          effective === undefined ? (
            <Empty>
              It has registered neither an event subscription nor a callback URL, so no notification is made for it.
            </Empty>
          ) : (
            <>
              {eventSubscription !== undefined && (
                <Facts
                  title="Event subscription"
                  isEffective={effective === 'event-subscription'}
                  facts={{ ...eventSubscription, eventTypes: eventSubscription.eventTypes?.join('\n') ?? 'all' }}
                />
              )}
              {callbackUrl !== undefined && (
                <Facts title="Callback URL" isEffective={effective === 'callback-url'} facts={callbackUrl} />
              )}
            </>
          )
        }
      </Loaded>
      <CommandLine command={`tidings registrations show ${shellQuoted(clientId)}`} />
    </Card>
  );
}

const FACT_NAMES: Readonly<Record<string, string>> = {
  eventSubscriptionId: 'Id',
  callbackUrlId: 'Id',
  callbackUrl: 'Callback URL',
  url: 'Callback URL',
  version: 'Minimum version of resources',
  eventTypes: 'Event types',
  apiVersion: 'Registered through',
  unresponsiveSince: 'Unresponsive since',
};

function Facts({
  title,
  isEffective,
  facts,
}: {
  readonly title: string;
  readonly isEffective: boolean;
  readonly facts: object;
}): ReactElement {
  return (
    <>
      <h3>
        {title} {isEffective ? '(effective)' : '(superseded)'}
      </h3>
      <dl className="pairs">
        {Object.entries(facts).map(([name, value]) => (
          <div key={name} className="pair">
            <dt>{FACT_NAMES[name] ?? name}</dt>
            <dd className="lines">{String(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function ItsAudit({ clientId }: { readonly clientId: string }): ReactElement {
  return (
    <Card title="Audit">
      <AuditList query={auditQuery({ subject: clientId })} />
      <CommandLine command={`tidings audit --subject ${shellQuoted(clientId)}`} />
    </Card>
  );
}
