import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { instancesQuery, signingKeysQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, Id } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Card, Loaded } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { Time } from '../ui/time.tsx';

/** The instances of the service, and what the one that answers signs with. */
export function Instances(): ReactElement {
  const instances = useQuery(instancesQuery);
  const keys = useQuery(signingKeysQuery);
  const { signsWith, problem } = keys.data?.thisInstance ?? {};
  return (
    <Card title="Instances">
      <Loaded query={instances}>
        {({ instances: found }) => (
          <>
            {new Set(found.map(({ version }) => version)).size > 1 && (
              <p className="note warn">
                <Icon name="warn" />
                They are of different versions. That is right only while an upgrade is under way.
              </p>
            )}
            <Table columns={['Host', 'State', 'Version', 'Started', 'Seen']}>
              {found.map(({ id, host, processId, state, version, nodeVersion, startedAt, seenAt, isThis }) => (
                <tr key={id}>
                  <th scope="row" data-label="Host">
                    {host}{' '}
                    <span className="help">
                      process {processId}
                      {isThis && ', the one that answers'}
                    </span>
                  </th>
                  <td data-label="State">
                    <StateBadge state={state} />
                  </td>
                  <td data-label="Version">
                    {version} <span className="help">Node.js {nodeVersion}</span>
                  </td>
                  <td data-label="Started">
                    <Time at={startedAt} />
                  </td>
                  <td data-label="Seen">
                    <Time at={seenAt} />
                  </td>
                </tr>
              ))}
            </Table>
          </>
        )}
      </Loaded>
      <dl className="pairs">
        <dt>This one signs with</dt>
        <dd>{signsWith === undefined ? 'nothing' : <Id id={signsWith} isWhole />}</dd>
        {problem !== undefined && (
          <>
            <dt>Problem</dt>
            <dd className="bad-text">{problem}</dd>
          </>
        )}
      </dl>
      <CommandLine command="tidings status" />
    </Card>
  );
}
