import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import { tppKeysQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, Id, shellQuoted } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Empty, Loaded } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { Time, useNowMs } from '../ui/time.tsx';

type Held = Schemas['KeysOfTpp'];

/** The keys that signatures of a TPP are verified with, and how the fetching of them goes. */
export function TppKeys({ tpp }: { readonly tpp: Schemas['RegisteredTpp'] }): ReactElement {
  const { clientId, jwksUrl, revokedJwksUrl } = tpp;
  const held = useQuery(tppKeysQuery(clientId));
  return (
    <Card title="Signing keys of the TPP">
      {jwksUrl === undefined ? (
        <p>These keys were registered with it, and are changed with it.</p>
      ) : (
        <dl className="pairs">
          <dt>JWKS URL</dt>
          <dd>
            <Id id={jwksUrl} isWhole />
          </dd>
          <dt>Revoked keys</dt>
          <dd>{revokedJwksUrl === undefined ? 'not listed anywhere' : <Id id={revokedJwksUrl} isWhole />}</dd>
        </dl>
      )}
      <Loaded query={held}>
        {(found) => (
          <>
            {found.from === 'url' && <Fetching held={found} />}
            {(found.from === 'inline' || found.fetchedAt !== undefined) && <KeyTable keys={found.keys} />}
          </>
        )}
      </Loaded>
      <CommandLine command={`tidings tpps show ${shellQuoted(clientId)}`} />
    </Card>
  );
}

/** Each instance fetches for itself, so it is said which one this is about. */
function Fetching({ held: { fetchedAt, usableUntil, lastFailure, instance } }: { readonly held: Held }): ReactElement {
  const nowMs = useNowMs();
  const isTooOld = usableUntil !== undefined && Date.parse(usableUntil) <= nowMs;
  const isFailing = lastFailure !== undefined && (fetchedAt === undefined || lastFailure.at > fetchedAt);
  return (
    <>
      {isFailing && (
        <p className="note warn" role="status">
          <Icon name="warn" />
          The last fetch failed: {lastFailure.reason}.
        </p>
      )}
      <dl className="pairs">
        <dt>Fetched</dt>
        <dd>
          {fetchedAt === undefined ? 'not yet: keys are fetched when a signature is verified' : <Time at={fetchedAt} />}
        </dd>
        {usableUntil !== undefined && (
          <>
            <dt>{isTooOld ? 'Too old since' : 'Usable without another fetch until'}</dt>
            <dd>
              <Time at={usableUntil} />
            </dd>
          </>
        )}
        <dt>Last failure</dt>
        <dd>
          {lastFailure === undefined ? (
            'none'
          ) : (
            <>
              <Time at={lastFailure.at} />: {lastFailure.reason}
            </>
          )}
        </dd>
        <dt>By</dt>
        <dd>
          {instance === undefined ? 'the instance that answers' : `${instance.host}, process ${instance.processId}`}
        </dd>
      </dl>
    </>
  );
}

function KeyTable({ keys }: { readonly keys: Held['keys'] }): ReactElement {
  if (keys.length === 0) return <Empty>The JWKS holds no key.</Empty>;
  return (
    <Table columns={['kid', 'State', 'Why']}>
      {keys.map(({ kid, state, reason }, at) => (
        // Several keys may share a kid, or have none.
        // biome-ignore lint/suspicious/noArrayIndexKey: they have no other identity, and are replaced together
        <tr key={`${at} ${kid}`}>
          <th scope="row" data-label="kid">
            {kid === undefined ? 'none' : <Id id={kid} isWhole />}
          </th>
          <td data-label="State">
            <StateBadge state={state} />
          </td>
          <td data-label="Why">{reason ?? (state === 'revoked' ? 'the list of revoked keys has it' : '')}</td>
        </tr>
      ))}
    </Table>
  );
}
