import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactElement, useId, useRef } from 'react';
import { countOf } from '../api/health.ts';
import { type Activity, HELD_MAX, KINDS, type Stream, useStream } from '../api/stream.ts';
import { Badge, type Tone } from '../ui/badge.tsx';
import { CommandLine, shellQuoted } from '../ui/copy.tsx';
import { Icon, type IconName } from '../ui/icon.tsx';
import { Empty, Page } from '../ui/page.tsx';
import { Scroller } from '../ui/scroller.tsx';
import { formatUtc } from '../ui/time.tsx';

const ROW_PX = 36;

/** The live stream of all instances. */
export function Live(): ReactElement {
  const { client, kind } = useSearch({ from: '/shell/live' });
  const stream = useStream({ clientId: client, kind });
  const { isPaused, setIsPaused, entries } = stream;
  const flags = `${client === undefined ? '' : ` --client ${shellQuoted(client)}`}${kind === undefined ? '' : ` --kind ${kind}`}`;
  return (
    <Page
      title="Live"
      beside={<Following stream={stream} />}
      actions={
        <>
          <button type="button" aria-pressed={isPaused} onClick={() => setIsPaused(!isPaused)}>
            <Icon name={isPaused ? 'play' : 'pause'} />
            {isPaused ? 'Go on' : 'Pause'}
          </button>
          <button type="button" onClick={stream.clear}>
            Clear
          </button>
        </>
      }
    >
      <Filters client={client} kind={kind} />
      <p className="help">
        {stream.perSecond.toFixed(1)} a second; {countOf(entries.length, 'entry', 'entries')} held, {HELD_MAX} at most
        {isPaused && `; ${stream.waiting} waiting while paused`}
      </p>
      {entries.length === 0 ? (
        <Empty>Nothing has happened since this view was opened.</Empty>
      ) : (
        <List entries={entries} />
      )}
      <CommandLine command={`tidings tail${flags}`} />
    </Page>
  );
}

const FOLLOWING: Readonly<Record<Stream['state'], readonly [Tone, IconName, string]>> = {
  connecting: ['info', 'wait', 'connecting'],
  following: ['good', 'ok', 'following'],
  lost: ['warn', 'warn', 'lost, comes back by itself'],
  refused: ['bad', 'bad', 'refused: too many follow, or the stream is not kept'],
};

function Following({ stream: { state, isPaused } }: { readonly stream: Stream }): ReactElement {
  const [tone, icon, text] = FOLLOWING[state];
  return (
    <span role="status">
      {isPaused ? <Badge tone="warn" icon="pause" text="paused" /> : <Badge tone={tone} icon={icon} text={text} />}
    </span>
  );
}

function Filters({
  client,
  kind,
}: {
  readonly client: string | undefined;
  readonly kind: string | undefined;
}): ReactElement {
  const navigate = useNavigate({ from: '/live' });
  const id = useId();
  const change = (name: 'client' | 'kind', value: string) =>
    void navigate({
      replace: true,
      search: (before) =>
        Object.fromEntries(Object.entries({ ...before, [name]: value }).filter(([, each]) => each !== '')),
    });
  return (
    <search className="filters">
      <label htmlFor={`${id}-client`}>TPP</label>
      <input
        id={`${id}-client`}
        type="search"
        defaultValue={client}
        placeholder="client_id, then Enter"
        onKeyDown={({ key, currentTarget }) => key === 'Enter' && change('client', currentTarget.value.trim())}
        onBlur={({ currentTarget }) =>
          currentTarget.value.trim() !== (client ?? '') && change('client', currentTarget.value.trim())
        }
      />
      <label htmlFor={`${id}-kind`}>Kind</label>
      <select id={`${id}-kind`} value={kind ?? ''} onChange={(event) => change('kind', event.target.value)}>
        <option value="">any</option>
        {KINDS.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </search>
  );
}

function List({ entries }: { readonly entries: readonly Activity[] }): ReactElement {
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 8,
  });
  return (
    <Scroller className="rows" ref={scroller} label="What happened, the newest first">
      <ul className="virtual" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const entry = entries[index];
          return entry === undefined ? null : (
            <Entry key={`${entry.id} ${entries.length - index}`} entry={entry} top={start} />
          );
        })}
      </ul>
    </Scroller>
  );
}

const LOOKS: Readonly<Record<string, readonly [Tone, IconName]>> = {
  accepted: ['info', 'notifications'],
  attempted: ['quiet', 'none'],
  acknowledged: ['good', 'ok'],
  'reported-error': ['bad', 'bad'],
  failing: ['warn', 'warn'],
  unresponsive: ['bad', 'bad'],
  recovered: ['good', 'ok'],
  redelivered: ['info', 'poll'],
  withdrawn: ['quiet', 'none'],
  expired: ['warn', 'wait'],
  missed: ['warn', 'warn'],
};

function lookOf({ kind, outcome }: Activity): readonly [Tone, IconName] {
  if (kind === 'attempted' && outcome !== 'acknowledged') return ['warn', 'warn'];
  return LOOKS[kind] ?? ['quiet', 'none'];
}

function Entry({ entry, top }: { readonly entry: Activity; readonly top: number }): ReactElement {
  const [tone, icon] = lookOf(entry);
  return (
    <li className="row live-row" style={{ transform: `translateY(${top}px)` }}>
      <time dateTime={entry.at} title={formatUtc(entry.at)}>
        {entry.at.slice(11, 23)}
      </time>
      <Badge tone={tone} icon={icon} text={entry.kind} />
      <span className="client">{entry.clientId}</span>
      {entry.jti !== undefined && (
        <Link to="/notifications/$jti" params={{ jti: entry.jti }} preload={false}>
          <code className="short">{entry.jti}</code>
        </Link>
      )}
      <span className="types">{factsOf(entry)}</span>
    </li>
  );
}

function factsOf({
  attempt,
  outcome,
  status,
  errorClass,
  durationMs,
  by,
  afterMs,
  err,
  count,
  eventId,
}: Activity): string {
  const facts = [
    eventId,
    attempt !== undefined && `attempt ${attempt}`,
    outcome !== 'acknowledged' && (outcome ?? errorClass),
    status,
    durationMs !== undefined && `${Math.round(durationMs)} ms`,
    by !== undefined && `by ${by}`,
    afterMs !== undefined && `after ${afterMs} ms`,
    err,
    count !== undefined && countOf(count, 'notification', 'notifications'),
  ];
  return facts.filter((each) => each !== undefined && each !== false).join(' · ');
}
