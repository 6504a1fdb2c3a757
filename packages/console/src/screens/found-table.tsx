import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { Found } from '../api/search.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Empty } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { Time } from '../ui/time.tsx';

const STATES_THAT_FAIL = new Set(['refused', 'unreachable']);

/** The state of a notification, `failed` where it is awaiting after a failed attempt. */
export function stateOf({ state, lastOutcome }: Found): string {
  return state === 'awaiting' && STATES_THAT_FAIL.has(lastOutcome ?? '') ? 'failed' : state;
}

/** The last part of a URN, which tells event types apart. */
export function shortType(urn: string): string {
  return urn.split(':').at(-1) ?? urn;
}

/** A few notifications. */
export function FoundTable({ found }: { readonly found: readonly Found[] }): ReactElement {
  if (found.length === 0) return <Empty>There is no notification.</Empty>;
  return (
    <Table columns={['Published', 'State', 'jti', 'Event types', 'Attempts']}>
      {found.map((each) => (
        <tr key={each.jti}>
          <td data-label="Published">
            <Time at={each.publishedAt} />
          </td>
          <td data-label="State">
            <StateBadge state={stateOf(each)} />
          </td>
          <th scope="row" data-label="jti">
            <Link to="/notifications/$jti" params={{ jti: each.jti }}>
              <code className="short">{each.jti}</code>
            </Link>
          </th>
          <td data-label="Event types">{each.eventTypes.map(shortType).join(', ')}</td>
          <td data-label="Attempts">{each.attempts}</td>
        </tr>
      ))}
    </Table>
  );
}
