import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import type { auditQuery } from '../api/queries.ts';
import { CopyButton } from '../ui/copy.tsx';
import { Empty, Loaded } from '../ui/page.tsx';
import { Table } from '../ui/table.tsx';
import { formatUtc, Time } from '../ui/time.tsx';

type AuditEntry = Schemas['AuditPage']['entries'][number];
type AuditQuery = ReturnType<typeof auditQuery>;

/** Entries of the audit, the newest first, each with what it was before and after. */
export function AuditList({ query }: { readonly query: AuditQuery }): ReactElement {
  const found = useInfiniteQuery(query);
  return (
    <>
      <Loaded query={found}>{({ pages }) => <Entries entries={pages.flatMap((page) => page.entries)} />}</Loaded>
      {found.hasNextPage && (
        <button type="button" disabled={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
          Show earlier ones
        </button>
      )}
    </>
  );
}

function Entries({ entries }: { readonly entries: readonly AuditEntry[] }): ReactElement {
  if (entries.length === 0) return <Empty>Nobody changed anything, as far as the filter goes.</Empty>;
  return (
    <ol className="audit">
      {entries.map((entry) => (
        <Entry key={entry.id} entry={entry} />
      ))}
    </ol>
  );
}

function Entry({ entry }: { readonly entry: AuditEntry }): ReactElement {
  const { at, actor, role, authenticatedBy, from, action, subject, detail, before, after } = entry;
  const changes = differencesOf(before, after);
  const facts = Object.entries(detail as Readonly<Record<string, unknown>>);
  return (
    <li>
      <p className="audit-head">
        <strong>{action}</strong> <code>{subject}</code> <CopyButton text={subject} label={`Copy ${subject}`} />
      </p>
      <p className="facts">
        <span>
          by {actor}
          {role !== undefined && ` (${role})`}
        </span>
        <Time at={at} />
        <span>{formatUtc(at)}</span>
        {authenticatedBy !== undefined && <span>{authenticatedBy}</span>}
        {from !== undefined && from !== '' && <span>from {from}</span>}
      </p>
      {(facts.length > 0 || changes.length > 0) && (
        <details>
          <summary>{changes.length > 0 ? 'What changed' : 'Details'}</summary>
          {changes.length > 0 && <Differences changes={changes} />}
          {facts.length > 0 && <pre>{JSON.stringify(detail, undefined, 2)}</pre>}
        </details>
      )}
    </li>
  );
}

interface Difference {
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Members that differ between two objects. */
function differencesOf(before: object | undefined, after: object | undefined): readonly Difference[] {
  const [old, fresh] = [before ?? {}, after ?? {}] as Readonly<Record<string, unknown>>[];
  const names = [...new Set([...Object.keys(old ?? {}), ...Object.keys(fresh ?? {})])];
  const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value, undefined, 1));
  return names
    .map((name) => ({ name, before: textOf(old?.[name]), after: textOf(fresh?.[name]) }))
    .filter((each) => each.before !== each.after);
}

function Differences({ changes }: { readonly changes: readonly Difference[] }): ReactElement {
  return (
    <Table columns={['Member', 'Before', 'After']} className="differences stacking">
      {changes.map(({ name, before, after }) => (
        <tr key={name}>
          <th scope="row" data-label="Member">
            <code>{name}</code>
          </th>
          <td data-label="Before">{before === undefined ? <em>not there</em> : <del>{before}</del>}</td>
          <td data-label="After">{after === undefined ? <em>not there</em> : <ins>{after}</ins>}</td>
        </tr>
      ))}
    </Table>
  );
}
