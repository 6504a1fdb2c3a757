import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { type Alert, type CallbackUrl, describeAttempt, failingSince, nextStep, stopsWork } from '../api/health.ts';
import { Badge, StateBadge } from '../ui/badge.tsx';
import { CommandLine } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Empty } from '../ui/page.tsx';
import { Lasting, Time } from '../ui/time.tsx';

/** The things that need a person: callback URLs that do not acknowledge, and alerts about anything else. */
export function Attention({
  urls,
  alerts,
}: {
  readonly urls: readonly CallbackUrl[];
  readonly alerts: readonly Alert[];
}): ReactElement {
  if (urls.length === 0 && alerts.length === 0) {
    return (
      <Empty>
        <Icon name="ok" />
        <p>
          <strong>All quiet.</strong> Every callback URL that something is pushed to answers, and no alert is open.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <ul className="attention">
        {alerts.map((each) => (
          <AlertRow key={each.id} alert={each} />
        ))}
        {urls.map((each) => (
          <CallbackUrlRow key={each.clientId} url={each} />
        ))}
      </ul>
      <CommandLine command={urls.length > 0 ? 'tidings tpps list --failing' : 'tidings alerts list'} />
    </>
  );
}

function AlertRow({ alert }: { readonly alert: Alert }): ReactElement {
  const { title, since, why, nextCommand } = alert;
  const isBad = stopsWork(alert);
  return (
    <li>
      <div className="attention-head">
        <Badge tone={isBad ? 'bad' : 'warn'} icon={isBad ? 'bad' : 'warn'} text={WORDS[alert.kind]} />
        <AlertLink alert={alert} />
        <span>
          for <Lasting since={since} />
        </span>
      </div>
      <p>
        {title}. {why}
      </p>
      <CommandLine command={nextCommand} />
    </li>
  );
}

const WORDS: Readonly<Record<Alert['kind'], string>> = {
  'tpp-failing': 'failing',
  'tpp-unresponsive': 'unresponsive',
  'certificate-expires': 'expires',
  'tpp-certificate-expires': 'expires',
  'tpp-revoked': 'revoked',
  'signing-key-expires': 'expires',
  'store-nearly-full': 'nearly full',
  backlog: 'backlog',
  'cannot-sign': 'cannot sign',
};

/** To the view where the cause is seen. */
function AlertLink({ alert }: { readonly alert: Alert }): ReactElement {
  if (alert.kind.startsWith('tpp-')) {
    return (
      <Link to="/tpps/$clientId" params={{ clientId: alert.subject }}>
        {alert.subject}
      </Link>
    );
  }
  switch (alert.kind) {
    case 'signing-key-expires':
    case 'cannot-sign':
      return <Link to="/signing-keys">Signing keys</Link>;
    case 'store-nearly-full':
    case 'backlog':
      return (
        <Link to="/notifications" search={{ state: 'awaiting' }}>
          Awaiting notifications
        </Link>
      );
    default:
      return <Link to="/system">Certificates</Link>;
  }
}

function CallbackUrlRow({ url }: { readonly url: CallbackUrl }): ReactElement {
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
