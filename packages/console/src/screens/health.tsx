import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, type ReactElement, Suspense } from 'react';
import type { Schemas } from '../api/client.ts';
import { type CallbackUrl, describeAttempt, failingSince, lightOf, needingAttention, nextStep } from '../api/health.ts';
import { callbackUrlsQuery, statusQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Empty, Loaded, Loading, Page } from '../ui/page.tsx';
import { Lasting, Time, useNowMs } from '../ui/time.tsx';

const Instances = lazy(async () => ({ default: (await import('./instances.tsx')).Instances }));
const Throughput = lazy(async () => ({ default: (await import('./throughput.tsx')).Throughput }));

/** The home view: is anything wrong, since when, why, and what to do. */
export function Health(): ReactElement {
  const status = useQuery(statusQuery);
  const urls = useQuery(callbackUrlsQuery);
  return (
    <Page title="Health">
      <Loaded query={status}>
        {(now) => (
          <>
            <TrafficLight status={now} urls={urls.data?.callbackUrls ?? []} />
            <Figures status={now} />
          </>
        )}
      </Loaded>
      <Card title="Needs attention">
        <Loaded query={urls}>{({ callbackUrls }) => <Attention urls={needingAttention(callbackUrls)} />}</Loaded>
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

function TrafficLight({
  status,
  urls,
}: {
  readonly status: Schemas['Status'];
  readonly urls: readonly CallbackUrl[];
}): ReactElement {
  const { tone, word, reasons } = lightOf(status, urls, useNowMs());
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

function Attention({ urls }: { readonly urls: readonly CallbackUrl[] }): ReactElement {
  if (urls.length === 0) {
    return (
      <Empty>
        <Icon name="ok" />
        <p>
          <strong>All quiet.</strong> Every callback URL that something is pushed to answers.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <ul className="attention">
        {urls.map((each) => (
          <AttentionRow key={each.clientId} url={each} />
        ))}
      </ul>
      <CommandLine command="tidings tpps list" />
    </>
  );
}

function AttentionRow({ url }: { readonly url: CallbackUrl }): ReactElement {
  const since = failingSince(url);
  const [last] = url.lastOutcomes;
  return (
    <li>
      <div className="attention-head">
        <StateBadge state={url.state} />
        <Link to="/tpps/$clientId" params={{ clientId: url.clientId }}>
          {url.clientId}
        </Link>
        {since !== undefined && (
          <span>
            for <Lasting since={since} />
          </span>
        )}
      </div>
      <p>{last === undefined ? 'No attempt is known.' : `Last attempt: ${describeAttempt(last)}.`}</p>
      <p className="facts">
        <span>
          {url.isAtLeast ? 'at least ' : ''}
          {url.awaiting.toLocaleString('en-GB')} awaiting
        </span>
        {url.nextProbeAt !== undefined && (
          <span>
            next probe <Time at={url.nextProbeAt} />
          </span>
        )}
        {url.state !== 'unresponsive' && url.breaker?.pausedUntil !== undefined && (
          <span>
            next attempt <Time at={url.breaker.pausedUntil} />
          </span>
        )}
        <span>{nextStep(url)}</span>
      </p>
    </li>
  );
}
