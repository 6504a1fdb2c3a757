import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import { evidenceQuery, notificationQuery } from '../api/queries.ts';
import { verifySet } from '../api/verify-set.ts';
import { Badge, StateBadge } from '../ui/badge.tsx';
import { CommandLine, CopyButton, Id, shellQuoted } from '../ui/copy.tsx';
import { Card, Empty, Loaded, Page } from '../ui/page.tsx';
import { Time } from '../ui/time.tsx';
import { Redeliver, Withdraw } from './bulk-actions.tsx';
import { ClaimsTable } from './claims-table.tsx';
import { Sequence } from './sequence.tsx';

type Notification = Schemas['ShownNotification'];

/** One notification: how it travelled, what it says, who signed it. */
export function OneNotification(): ReactElement {
  const { jti } = useParams({ from: '/shell/notifications/$jti' });
  const notification = useQuery(notificationQuery(jti));
  const { data } = notification;
  return (
    <Page
      title="Notification"
      beside={<Id id={jti} isWhole />}
      actions={data !== undefined && <Actions notification={data} />}
    >
      <Loaded query={notification}>
        {(found) => (
          <>
            <Facts notification={found} />
            <Card title="How it travelled">
              <Sequence notification={found} />
            </Card>
            <SecurityEventToken notification={found} />
            <CommandLine command={`tidings notifications show ${shellQuoted(jti)}`} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Actions({ notification: { jti, state, set } }: { readonly notification: Notification }): ReactElement {
  const isOver = state === 'withdrawn' || state === 'expired';
  return (
    <>
      {set !== undefined && (
        <a
          className="button"
          href={`/operator/v1/notifications/${encodeURIComponent(jti)}/evidence`}
          download={`${jti}.json`}
        >
          Download evidence
        </a>
      )}
      <Redeliver
        chosen={{ jtis: [jti] }}
        disabledBecause={isOver ? `It is ${state}, and cannot be sent again` : undefined}
      />
      <Withdraw
        chosen={{ jtis: [jti] }}
        disabledBecause={state === 'awaiting' ? undefined : 'Only what is awaiting can be withdrawn'}
      />
    </>
  );
}

function Facts({ notification }: { readonly notification: Notification }): ReactElement {
  const { state, clientId, publishedAt, acknowledgedAt, acknowledgedBy, nextAttemptAt, eventId, transactionId } =
    notification;
  return (
    <section className="card" aria-label="State and ids">
      <dl className="pairs">
        <dt>State</dt>
        <dd>
          <StateBadge state={state} />
          {acknowledgedAt !== undefined && (
            <>
              {' '}
              by {acknowledgedBy}, <Time at={acknowledgedAt} />
            </>
          )}
          {nextAttemptAt !== undefined && (
            <>
              {' '}
              next attempt due <Time at={nextAttemptAt} />
            </>
          )}
        </dd>
        <dt>TPP</dt>
        <dd>
          <Link to="/tpps/$clientId" params={{ clientId }}>
            {clientId}
          </Link>
        </dd>
        <dt>Published</dt>
        <dd>
          <Time at={publishedAt} />
        </dd>
        <dt>Event</dt>
        <dd>
          <Id id={eventId} isWhole />
        </dd>
        <dt>Transaction</dt>
        <dd>
          <Id id={transactionId} isWhole />
        </dd>
      </dl>
    </section>
  );
}

function SecurityEventToken({ notification }: { readonly notification: Notification }): ReactElement {
  const { claims, header, set, jti } = notification;
  return (
    <Card title="Security event token" beside={set !== undefined && <Signature jti={jti} />}>
      <div className="columns">
        <div>
          <h3>What it says</h3>
          <ClaimsTable title="Claims" claims={claims} />
          {header !== undefined && <ClaimsTable title="Header" claims={header} />}
        </div>
        <div>
          <h3>As it is sent</h3>
          {set === undefined ? (
            <Empty>It is signed when it is first needed, and has not been needed yet.</Empty>
          ) : (
            <Raw set={set} />
          )}
        </div>
      </div>
    </Card>
  );
}

const PARTS = ['header', 'payload', 'signature'] as const;

function Raw({ set }: { readonly set: string }): ReactElement {
  return (
    <>
      <p className="raw">
        {set.split('.').map((part, at) => (
          <span key={PARTS[at]} className={PARTS[at]} title={PARTS[at]}>
            {at > 0 && '.'}
            {part}
          </span>
        ))}
      </p>
      <p className="help">
        Header, payload and signature, parted by dots (RFC 7515). <CopyButton text={set} label="Copy the SET" />
      </p>
    </>
  );
}

function Signature({ jti }: { readonly jti: string }): ReactElement | null {
  const evidence = useQuery(evidenceQuery(jti));
  const { data } = evidence;
  const verified = useQuery({
    queryKey: ['verified', data?.setSha256],
    queryFn: () => (data?.set === undefined ? null : verifySet({ ...data, set: data.set })),
    enabled: data !== undefined,
  });
  if (verified.error !== null) return <Badge tone="bad" icon="bad" text="signature could not be verified" />;
  if (!verified.data) return null;
  const { isValid, isHashRight, kid } = verified.data;
  if (!isValid || !isHashRight) return <Badge tone="bad" icon="bad" text={`signature is not of key ${kid}`} />;
  return (
    <span title="Computed in this browser, with the public key that the service keeps of it">
      <Badge tone="good" icon="ok" text={`signature verified with key ${kid}`} />
    </span>
  );
}
