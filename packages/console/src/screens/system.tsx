import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useId, useState } from 'react';
import { countOf } from '../api/health.ts';
import { certificatesQuery, configurationQuery, findingsQuery, signingKeysQuery, statusQuery } from '../api/queries.ts';
import { Badge, StateBadge } from '../ui/badge.tsx';
import { CommandLine } from '../ui/copy.tsx';
import { Card, Empty, Loaded, Page } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { Time, useNowMs } from '../ui/time.tsx';

/** The instance that answers: its store, keys and effective configuration. */
export function System(): ReactElement {
  return (
    <Page title="System">
      <Instance />
      <Findings />
      <Card title="Backup">
        <p>The store is copied while the service goes on (SQLite):</p>
        <CommandLine command="tidings backup tidings-backup.db" />
      </Card>
      <Certificates />
      <Configuration />
      <Card title="Documents">
        <p>
          <a href="/operator/v1/openapi/" target="_blank" rel="noreferrer">
            API reference
          </a>
          : both APIs of this service, made from what is configured here.
        </p>
      </Card>
    </Page>
  );
}

const LOOKS = { ok: ['good', 'ok'], warning: ['warn', 'warn'], error: ['bad', 'bad'] } as const;
const WORST_FIRST = ['error', 'warning', 'ok'];

/** Findings of the doctor, the worst first; a service that a program embeds has none. */
function Findings(): ReactElement {
  const findings = useQuery(findingsQuery);
  return (
    <Card title="Checks">
      <Loaded query={findings}>
        {({ isInspected, findings: found }) =>
          isInspected ? (
            <Table columns={['Check', 'Finding']}>
              {found
                .toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity))
                .map(({ check, severity, what, remedy }) => (
                  <tr key={`${check} ${what}`}>
                    <th scope="row" data-label="Check">
                      {check} <Badge tone={LOOKS[severity][0]} icon={LOOKS[severity][1]} text={severity} />
                    </th>
                    <td data-label="Finding">
                      {what} {remedy !== undefined && <strong>{remedy}</strong>}
                    </td>
                  </tr>
                ))}
            </Table>
          ) : (
            <p>This service cannot check itself. On its machine, with its configuration file:</p>
          )
        }
      </Loaded>
      <CommandLine command="tidings doctor --config tidings.json" />
    </Card>
  );
}

function Instance(): ReactElement {
  const status = useQuery(statusQuery);
  const keys = useQuery(signingKeysQuery);
  return (
    <Card title="This instance">
      <Loaded query={status}>
        {({ publishing, publishingClosedBecause, awaiting, oldestAwaitingAt, intake }) => (
          <dl className="pairs">
            <dt>Publishing</dt>
            <dd>
              {publishing}
              {publishingClosedBecause !== undefined && `: ${publishingClosedBecause}`}
            </dd>
            {intake !== undefined && (
              <>
                <dt>Intake from Kafka</dt>
                <dd>
                  {intake.state}
                  {intake.because !== undefined && `: ${intake.because}`}
                  {intake.lag !== undefined && `, ${countOf(intake.lag, 'record', 'records')} behind`}
                </dd>
              </>
            )}
            <dt>Awaiting</dt>
            <dd>
              {awaiting.toLocaleString('en-GB')}
              {oldestAwaitingAt !== undefined && (
                <>
                  , the oldest <Time at={oldestAwaitingAt} />
                </>
              )}
            </dd>
            <dt>Signing keys</dt>
            <dd>
              {keys.data?.keys.map(({ kid, state }) => (
                <span key={kid} className="facts">
                  <code>{kid}</code> <StateBadge state={state} />
                </span>
              ))}
            </dd>
          </dl>
        )}
      </Loaded>
      <CommandLine command="tidings status" />
    </Card>
  );
}

const SOON_MS = 30 * 86_400_000;

function Certificates(): ReactElement {
  const certificates = useQuery(certificatesQuery);
  const nowMs = useNowMs();
  return (
    <Card title="Certificates">
      <Loaded query={certificates}>
        {({ certificates: found }) =>
          found.length === 0 ? (
            <Empty>The configuration names no certificate that can be read.</Empty>
          ) : (
            <Table columns={['Subject', 'Expires', 'Setting']}>
              {found.map(({ setting, subject, notAfter }, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two may differ in nothing that is shown
                <tr key={at}>
                  <th scope="row" data-label="Subject">
                    {subject}
                  </th>
                  <td data-label="Expires">
                    <Expiry leftMs={Date.parse(notAfter) - nowMs} /> <Time at={notAfter} />
                  </td>
                  <td data-label="Setting">
                    <code>{setting}</code>
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
    </Card>
  );
}

function Expiry({ leftMs }: { readonly leftMs: number }): ReactElement {
  if (leftMs <= 0) return <Badge tone="bad" icon="bad" text="expired" />;
  return leftMs < SOON_MS ? (
    <Badge tone="warn" icon="warn" text="soon" />
  ) : (
    <Badge tone="good" icon="ok" text="valid" />
  );
}

function Configuration(): ReactElement {
  const configuration = useQuery(configurationQuery);
  const [search, setSearch] = useState('');
  const id = useId();
  return (
    <Card title="Effective configuration">
      <search className="filters">
        <label htmlFor={id}>Search settings</label>
        <input id={id} type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
      </search>
      <Loaded query={configuration}>
        {({ settings }) => {
          const found = settings.filter(({ setting }) => setting.toLowerCase().includes(search.toLowerCase()));
          if (found.length === 0) return <Empty>No setting has this in its name.</Empty>;
          return (
            <Table columns={['Setting', 'Value', 'Source']} className="settings">
              {found.map(({ setting, value, source, from }) => (
                <tr key={setting}>
                  <th scope="row">
                    <code>{setting}</code>
                  </th>
                  <td>
                    <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>
                  </td>
                  <td>
                    {source ?? 'not known'} {from !== undefined && <code>{from}</code>}
                  </td>
                </tr>
              ))}
            </Table>
          );
        }}
      </Loaded>
      <CommandLine command="tidings config effective --config tidings.json" />
    </Card>
  );
}
