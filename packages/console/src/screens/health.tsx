import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, type ReactElement, Suspense } from 'react';
import type { Schemas } from '../api/client.ts';
import { type Alert, type CallbackUrl, furtherAlerts, lightOf, needingAttention } from '../api/health.ts';
import { alertsQuery, callbackUrlsQuery, statusQuery } from '../api/queries.ts';
import { Icon } from '../ui/icon.tsx';
import { Card, Loaded, Loading, Page } from '../ui/page.tsx';
import { Lasting, useNowMs } from '../ui/time.tsx';
import { Attention } from './attention.tsx';

const Instances = lazy(async () => ({ default: (await import('./instances.tsx')).Instances }));
const Throughput = lazy(async () => ({ default: (await import('./throughput.tsx')).Throughput }));

/** The home view: is anything wrong, since when, why, and what to do. */
export function Health(): ReactElement {
  const status = useQuery(statusQuery);
  const urls = useQuery(callbackUrlsQuery);
  const alerts = useQuery(alertsQuery);
  return (
    <Page title="Health">
      <Loaded query={status}>
        {(now) => (
          <>
            <TrafficLight status={now} urls={urls.data?.callbackUrls ?? []} alerts={alerts.data?.alerts ?? []} />
            <Figures status={now} />
          </>
        )}
      </Loaded>
      <Card title="Needs attention">
        <Loaded query={urls}>
          {({ callbackUrls }) => (
            <Loaded query={alerts}>
              {({ alerts: open }) => (
                <Attention urls={needingAttention(callbackUrls)} alerts={furtherAlerts(open, callbackUrls)} />
              )}
            </Loaded>
          )}
        </Loaded>
      </Card>
      <Suspense fallback={<Loading />}>
        <Throughput />
      </Suspense>
      <Suspense fallback={<Loading />}>
        <Instances />
      </Suspense>
    </Page>
  );
}

function TrafficLight(facts: {
  readonly status: Schemas['Status'];
  readonly urls: readonly CallbackUrl[];
  readonly alerts: readonly Alert[];
}): ReactElement {
  const { tone, word, reasons } = lightOf(facts, useNowMs());
  const icon = { good: 'ok', warn: 'warn', bad: 'bad' } as const;
  return (
    <section className={`light ${tone}`} aria-label="State of the service" role="status">
      <Icon name={icon[tone]} />
      <div>
        <strong>{word}</strong>
        {reasons.map((reason) => (
          <p key={reason}>{reason}.</p>
        ))}
      </div>
    </section>
  );
}

function Figures({ status }: { readonly status: Schemas['Status'] }): ReactElement {
  const { awaiting, oldestAwaitingAt, publishing } = status;
  const { unresponsive } = status.tpps;
  return (
    <dl className="figures">
      <div>
        <dt>Awaiting</dt>
        <dd>
          <Link to="/notifications" search={{ state: 'awaiting' }}>
            {awaiting.toLocaleString('en-GB')}
          </Link>
        </dd>
      </div>
      <div>
        <dt>Oldest awaiting</dt>
        <dd>{oldestAwaitingAt === undefined ? 'none' : <Lasting since={oldestAwaitingAt} />}</dd>
      </div>
      <div>
        <dt>Unresponsive callback URLs</dt>
        <dd>
          <Link to="/tpps" search={{ state: 'unresponsive' }}>
            {unresponsive}
          </Link>
        </dd>
      </div>
      <div>
        <dt>Publishing</dt>
        <dd>{publishing}</dd>
      </div>
    </dl>
  );
}
