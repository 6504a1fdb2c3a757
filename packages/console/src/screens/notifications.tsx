import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type FormEvent, type ReactElement, useEffect, useId, useRef } from 'react';
import { countOf } from '../api/health.ts';
import { type Found, type NotificationFilter, searchQuery } from '../api/search.ts';
import { StateBadge } from '../ui/badge.tsx';
import { CommandLine, shellQuoted } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Empty, Loaded, Page } from '../ui/page.tsx';
import { Scroller } from '../ui/scroller.tsx';
import { formatUtc, Time } from '../ui/time.tsx';
import { shortType, stateOf } from './found-table.tsx';
import { NotificationPanel } from './notification-panel.tsx';

const NAMES = ['id', 'client', 'type', 'state', 'from', 'before'] as const;
type Name = (typeof NAMES)[number];

const STATES = ['awaiting', 'failed', 'acknowledged', 'withdrawn', 'expired'] as const;
const ROW_PX = 44;

/** Searches notifications; the filter is in the address, a token for each part. */
export function Notifications(): ReactElement {
  const { open, ...filter } = useSearch({ from: '/shell/notifications' });
  const found = useInfiniteQuery(searchQuery(filter));
  return (
    <Page title="Notifications">
      <Filters filter={filter} />
      <div className={open === undefined ? 'split' : 'split open'}>
        <div className="split-main">
          <Loaded query={found}>
            {({ pages }) => (
              <List
                rows={pages.flatMap((page) => page.notifications)}
                open={open}
                hasMore={found.hasNextPage}
                isFetching={found.isFetchingNextPage}
                onMore={() => void found.fetchNextPage()}
              />
            )}
          </Loaded>
          <CommandLine command={commandOf(filter)} />
        </div>
        {open !== undefined && <NotificationPanel key={open} jti={open} />}
      </div>
    </Page>
  );
}

const FLAGS: Readonly<Record<Name, string>> = {
  id: '--jti',
  client: '--client',
  type: '--type',
  state: '--state',
  from: '--from',
  before: '--before',
};

function commandOf(filter: NotificationFilter): string {
  const given = NAMES.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [`${FLAGS[name]} ${shellQuoted(value)}`];
  });
  return ['tidings notifications find', ...given].join(' ');
}

/** `state:failed` is a part of the filter by its name; anything else is an id. */
function readToken(text: string): { readonly name: Name; readonly value: string } | undefined {
  const [, prefix, rest] = /^(client|type|state|from|before|id):(.+)$/.exec(text.trim()) ?? [];
  const name = NAMES.find((each) => each === prefix);
  if (name !== undefined && rest !== undefined) return { name, value: rest.trim() };
  return text.trim() === '' ? undefined : { name: 'id', value: text.trim() };
}

function Filters({ filter }: { readonly filter: NotificationFilter }): ReactElement {
  const navigate = useNavigate({ from: '/notifications' });
  const id = useId();
  const change = (name: Name, value: string | undefined) => {
    const others = Object.entries(filter).filter(([key, kept]) => key !== name && kept !== undefined);
    void navigate({ search: Object.fromEntries(value ? [...others, [name, value]] : others) });
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem('token');
    if (!(field instanceof HTMLInputElement)) return;
    const token = readToken(field.value);
    if (token !== undefined) change(token.name, token.value);
    field.value = '';
  };
  const tokens = NAMES.flatMap((name) => (filter[name] === undefined ? [] : [{ name, value: filter[name] }]));
  return (
    <search className="filters">
      <form onSubmit={submit}>
        <label htmlFor={`${id}-token`}>Search</label>
        <input
          id={`${id}-token`}
          name="token"
          type="search"
          spellCheck={false}
          placeholder="any id, or client:… type:… from:… before:…"
        />
        <button type="submit">
          <Icon name="search" />
          Add
        </button>
      </form>
      <label htmlFor={`${id}-state`}>State</label>
      <select id={`${id}-state`} value={filter.state ?? ''} onChange={(event) => change('state', event.target.value)}>
        <option value="">any</option>
        {STATES.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
      {tokens.length > 0 && (
        <ul className="tokens" aria-label="Filters in use">
          {tokens.map(({ name, value }) => (
            <li key={name}>
              <code>
                {name}:{value}
              </code>
              <button type="button" aria-label={`Remove ${name}:${value}`} onClick={() => change(name, undefined)}>
                <Icon name="bad" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </search>
  );
}

interface ListProps {
  readonly rows: readonly Found[];
  readonly open: string | undefined;
  readonly hasMore: boolean;
  readonly isFetching: boolean;
  readonly onMore: () => void;
}

/** Only the rows that are seen are in the document, so that ten thousand scroll like ten. */
function List({ rows, open, hasMore, isFetching, onMore }: ListProps): ReactElement {
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !isFetching && rows.length > 0 && lastShown >= rows.length - 20) onMore();
  }, [hasMore, isFetching, rows.length, lastShown, onMore]);
  if (rows.length === 0) return <Empty>No notification is as the filter says.</Empty>;
  return (
    <>
      <p className="help" role="status">
        {countOf(rows.length, 'notification', 'notifications')}
        {hasMore ? ' so far; more come as you scroll' : ''}
      </p>
      <Scroller className="rows" ref={scroller} label="Notifications that were found">
        <ul className="virtual" style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index, start }) => {
            const row = rows[index];
            return row === undefined ? null : <Row key={row.jti} row={row} top={start} isOpen={row.jti === open} />;
          })}
        </ul>
      </Scroller>
    </>
  );
}

function Row({
  row,
  top,
  isOpen,
}: {
  readonly row: Found;
  readonly top: number;
  readonly isOpen: boolean;
}): ReactElement {
  const navigate = useNavigate({ from: '/notifications' });
  const show = () => void navigate({ search: (before) => ({ ...before, open: row.jti }), replace: true });
  return (
    <li className={isOpen ? 'row chosen' : 'row'} style={{ transform: `translateY(${top}px)` }}>
      <span className="when" title={formatUtc(row.publishedAt)}>
        <Time at={row.publishedAt} />
      </span>
      <StateBadge state={stateOf(row)} />
      <button type="button" className="as-link" aria-pressed={isOpen} onClick={show}>
        <code className="short">{row.jti}</code>
      </button>
      <span className="client">{row.clientId}</span>
      <span className="types" title={row.eventTypes.join('\n')}>
        {row.eventTypes.map(shortType).join(', ')}
      </span>
      <span className="attempts">{countOf(row.attempts, 'attempt', 'attempts')}</span>
    </li>
  );
}
