import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type ReactElement, useId } from 'react';
import type { Schemas } from '../api/client.ts';
import type { CallbackUrl } from '../api/health.ts';
import { callbackUrlsQuery, registrationsQuery, tppStatisticsQuery, tppsQuery } from '../api/queries.ts';
import { useMay } from '../session/session.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, CopyButton } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Empty, Loaded, Page } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { Time } from '../ui/time.tsx';
import { AddTpp } from './add-tpp.tsx';

type Tpp = Schemas['TppPage']['tpps'][number];
type Registration = Schemas['RegistrationPage']['registrations'][number];

/** A TPP with what the other lists know of it. */
interface Row {
  readonly tpp: Tpp;
  readonly url: CallbackUrl | undefined;
  readonly registration: Registration | undefined;
}

const STATES = ['unresponsive', 'failing', 'healthy', 'suspended', 'polling-only', 'no-registration'] as const;

/** All TPPs, those that need somebody first. */
export function Tpps(): ReactElement {
  const tpps = useInfiniteQuery(tppsQuery);
  const urls = useQuery(callbackUrlsQuery);
  const registrations = useQuery(registrationsQuery);
  const mayAdd = useMay('administrator');
  const { search = '', state } = useSearch({ from: '/shell/tpps' });
  const urlOf = new Map(urls.data?.callbackUrls.map((each) => [each.clientId, each]));
  const registered = registrations.data?.registrations.filter((each) => each.state !== 'superseded') ?? [];
  const registrationOf = new Map(registered.map((each) => [each.clientId, each]));
  const rowOf = (tpp: Tpp): Row => {
    return { tpp, url: urlOf.get(tpp.clientId), registration: registrationOf.get(tpp.clientId) };
  };
  return (
    <Page title="TPPs" actions={mayAdd && <AddTpp />}>
      <Filters search={search} state={state} />
      <Loaded query={tpps}>
        {({ pages }) => {
          const rows = pages.flatMap((page) => page.tpps).map(rowOf);
          return <TppTable rows={rows.filter((row) => isFound(row, search, state))} total={rows.length} />;
        }}
      </Loaded>
      {tpps.hasNextPage && (
        <button type="button" disabled={tpps.isFetchingNextPage} onClick={() => void tpps.fetchNextPage()}>
          Show more TPPs
        </button>
      )}
      <CommandLine command="tidings tpps list" />
    </Page>
  );
}

function isFound({ tpp }: Row, search: string, state: string | undefined): boolean {
  const { state: found, clientId, organisationId, softwareStatementId, target } = tpp;
  const text = [clientId, organisationId, softwareStatementId, target?.callbackUrl].join(' ').toLowerCase();
  return text.includes(search.toLowerCase()) && (state === undefined || state === found);
}

function Filters({ search, state }: { readonly search: string; readonly state: string | undefined }): ReactElement {
  const navigate = useNavigate({ from: '/tpps' });
  const id = useId();
  const change = (changed: { search?: string; state?: string }) =>
    void navigate({
      replace: true,
      search: (before) =>
        Object.fromEntries(Object.entries({ ...before, ...changed }).filter(([, value]) => value !== '')),
    });
  return (
    <search className="filters">
      <label htmlFor={`${id}-text`}>Search</label>
      <input
        id={`${id}-text`}
        type="search"
        value={search}
        placeholder="client_id, organisation, callback URL"
        onChange={(event) => change({ search: event.target.value })}
      />
      <label htmlFor={`${id}-state`}>State</label>
      <select id={`${id}-state`} value={state ?? ''} onChange={(event) => change({ state: event.target.value })}>
        <option value="">any</option>
        {STATES.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </search>
  );
}

function TppTable({ rows, total }: { readonly rows: readonly Row[]; readonly total: number }): ReactElement {
  if (total === 0) {
    return (
      <Empty>
        <p>No TPP is registered. A TPP must be added before it can call the TPP-facing API.</p>
        <CommandLine command="tidings tpps import statement.jwt" />
      </Empty>
    );
  }
  if (rows.length === 0) return <Empty>No TPP is as the filters say.</Empty>;
  const rank = ({ tpp: { state } }: Row) => STATES.indexOf(state);
  const sorted = rows.toSorted((a, b) => rank(a) - rank(b) || b.tpp.awaiting - a.tpp.awaiting);
  return (
    <Card title={`${rows.length} of ${total}`}>
      <Table columns={['TPP', 'State', 'Awaiting', 'Last 24 hours', 'Last attempt', 'Scopes', 'Registration', 'Keys']}>
        {sorted.map((row) => (
          <TppRow key={row.tpp.clientId} row={row} />
        ))}
      </Table>
    </Card>
  );
}

/** The share of attempts that were acknowledged; a TPP that polls has none. */
function Success({ clientId }: { readonly clientId: string }): ReactElement {
  const { data } = useQuery(tppStatisticsQuery);
  const counts = data?.get(clientId);
  if (counts === undefined || counts.attempts + counts.acknowledged === 0) return <>–</>;
  const { attempts, attemptsAcknowledged, acknowledged } = counts;
  const text = (count: number) => count.toLocaleString('en-GB');
  if (attempts === 0) return <>{text(acknowledged)} by polls</>;
  return (
    <span title={`${text(attemptsAcknowledged)} of ${text(attempts)} attempts were acknowledged`}>
      {Math.floor((attemptsAcknowledged / attempts) * 100)} %
    </span>
  );
}

function TppRow({ row: { tpp, url, registration } }: { readonly row: Row }): ReactElement {
  const { clientId, organisationId, scopes, jwksUrl, kids, state, awaiting, isAtLeast } = tpp;
  const [last] = url?.lastOutcomes ?? [];
  return (
    <tr>
      <th scope="row" data-label="TPP">
        <Link to="/tpps/$clientId" params={{ clientId }}>
          {clientId}
        </Link>{' '}
        <CopyButton text={clientId} label={`Copy ${clientId}`} />
        <span className="help">{organisationId}</span>
      </th>
      <td data-label="State">
        <StateBadge state={state} />
      </td>
      <td data-label="Awaiting" className="number">
        {`${isAtLeast ? '≥ ' : ''}${awaiting.toLocaleString('en-GB')}`}
      </td>
      <td data-label="Last 24 hours">
        <Success clientId={clientId} />
      </td>
      <td data-label="Last attempt">
        {last === undefined ? (
          '–'
        ) : (
          <>
            {last.outcome}, <Time at={last.startedAt} />
          </>
        )}
      </td>
      <td data-label="Scopes">{scopes?.join(', ') ?? 'all'}</td>
      <td data-label="Registration">
        {registration === undefined ? 'none' : `${registration.kind.replace('-', ' ')}, ${registration.apiVersion}`}
      </td>
      <td data-label="Keys">
        <span title={jwksUrl ?? kids?.join(', ')}>
          <Icon name={jwksUrl === undefined ? 'keys' : 'link'} />
          {jwksUrl === undefined ? `${kids?.length ?? 0} inline` : 'JWKS URL'}
        </span>
      </td>
    </tr>
  );
}
