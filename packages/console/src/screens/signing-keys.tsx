import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import { countOf } from '../api/health.ts';
import { signingKeysQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, Id } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Loaded, Page } from '../ui/page.tsx';
import { Time, useNowMs } from '../ui/time.tsx';
import { KeyActions, ReloadKeys } from './key-actions.tsx';

type Key = Schemas['ShownSigningKey'];
type List = Schemas['SigningKeyList'];

/** The bank's own keys, and the way from one to the next. */
export function SigningKeys(): ReactElement {
  const keys = useQuery(signingKeysQuery);
  return (
    <Page title="Signing keys" actions={<ReloadKeys />}>
      <Loaded query={keys}>
        {(list) => (
          <>
            {list.thisInstance.problem !== undefined && (
              <p className="note bad" role="alert">
                <Icon name="bad" />
                {list.thisInstance.problem}
              </p>
            )}
            <Procedure list={list} />
            {list.keys.map((key) => (
              <OneKey key={key.kid} signingKey={key} list={list} />
            ))}
            <CommandLine command="tidings keys list" />
          </>
        )}
      </Loaded>
    </Page>
  );
}

interface ProcedureStep {
  readonly title: string;
  readonly text: string;
  readonly state: 'done' | 'now' | 'later';
}

/** Where a rotation is, from the states of the keys. */
function procedureOf({ keys }: List, nowMs: number): readonly ProcedureStep[] {
  const next = keys.find(({ state }) => state === 'next');
  const former = keys.find(({ state }) => state === 'former');
  const isRotatable =
    next !== undefined && (next.rotatableFrom === undefined || Date.parse(next.rotatableFrom) <= nowMs);
  const at = (() => {
    if (next !== undefined) return isRotatable ? 2 : 1;
    return former === undefined ? 0 : 3;
  })();
  const titles = ['Announce', 'Wait', 'Rotate', 'Retire'] as const;
  const texts = [
    'Name the next key in "signing.next" of the configuration, at every instance, and announce it. It is in the JWKS from then on and signs nothing yet.',
    next?.rotatableFrom === undefined || isRotatable
      ? 'TPPs keep the JWKS for a while; a key that they do not know yet would be refused.'
      : `TPPs keep the JWKS for a while. The key may sign from ${next.rotatableFrom.slice(0, 16).replace('T', ' ')} UTC.`,
    'From now on every instance that has the key signs with it. The one before stays in the JWKS.',
    'Take the former key out of the JWKS, once nothing that it signed is awaiting. This is for good.',
  ] as const;
  const stateOf = (index: number) => {
    if (index === at) return 'now';
    return index < at ? 'done' : 'later';
  };
  return titles.map((title, index) => ({ title, text: texts[index] ?? '', state: stateOf(index) }));
}

function Procedure({ list }: { readonly list: List }): ReactElement {
  const words = { done: 'done', now: 'this is next', later: 'later' } as const;
  return (
    <Card title="From one key to the next">
      <ol className="procedure">
        {procedureOf(list, useNowMs()).map(({ title, text, state }) => (
          <li key={title} className={state} aria-current={state === 'now' ? 'step' : undefined}>
            <strong>
              {state === 'done' && <Icon name="ok" />}
              {title}
            </strong>
            <span className="help">{words[state]}</span>
            <p>{text}</p>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function OneKey({ signingKey: key, list }: { readonly signingKey: Key; readonly list: List }): ReactElement {
  const { kid, thumbprint, algorithm, state, since, isPublished, publishedUntil, rotatableFrom, dependents } = key;
  const { oldest } = dependents;
  return (
    <Card title={kid} beside={<StateBadge state={state} />}>
      <dl className="pairs">
        <dt>In the JWKS</dt>
        <dd>
          {isPublished ? 'yes' : 'no'}
          {publishedUntil !== undefined && (
            <>
              , until <Time at={publishedUntil} />
            </>
          )}
        </dd>
        {since !== undefined && (
          <>
            <dt>Since</dt>
            <dd>
              <Time at={since} />
            </dd>
          </>
        )}
        {rotatableFrom !== undefined && state === 'next' && (
          <>
            <dt>May sign</dt>
            <dd>
              <Time at={rotatableFrom} />
            </dd>
          </>
        )}
        <dt>At this instance</dt>
        <dd>{list.thisInstance.holds.includes(kid) ? 'it has the private key' : 'it lacks the private key'}</dd>
        <dt>Depends on it</dt>
        <dd>
          {dependents.isAtLeast && 'at least '}
          {countOf(dependents.awaiting, 'awaiting notification', 'awaiting notifications')}
          {oldest !== undefined && (
            <>
              , the oldest{' '}
              <Link to="/notifications/$jti" params={{ jti: oldest.jti }}>
                <Time at={oldest.publishedAt} />
              </Link>
            </>
          )}
          {dependents.evidence && '; evidence that is kept'}
        </dd>
        <dt>Thumbprint</dt>
        <dd>
          <Id id={thumbprint} isWhole /> ({algorithm})
        </dd>
      </dl>
      <KeyActions signingKey={key} holds={list.thisInstance.holds} />
    </Card>
  );
}
