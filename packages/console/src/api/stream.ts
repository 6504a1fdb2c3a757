import { useCallback, useEffect, useRef, useState } from 'react';
import type { Schemas } from './client.ts';

export type Activity = Schemas['StreamedActivity'] & { readonly id: string };

export const KINDS = [
  'accepted',
  'attempted',
  'acknowledged',
  'reported-error',
  'failing',
  'unresponsive',
  'recovered',
  'redelivered',
  'withdrawn',
  'expired',
  'missed',
] as const;

/** Most entries that are held; the oldest give way. */
export const HELD_MAX = 5000;
// However many come, the list is drawn this often.
const DRAWN_EVERY_MS = 250;
const RATE_OVER_MS = 5000;

export interface Stream {
  /** The newest first. */
  readonly entries: readonly Activity[];
  readonly state: 'connecting' | 'following' | 'lost' | 'refused';
  /** Entries a second, over the last five seconds. */
  readonly perSecond: number;
  readonly isPaused: boolean;
  /** Entries that came while paused. */
  readonly waiting: number;
  setIsPaused(isPaused: boolean): void;
  clear(): void;
}

/** Follows the live stream with the session. Entries are gathered, and shown a few times a second. */
export function useStream(query: {
  readonly clientId?: string | undefined;
  readonly kind?: string | undefined;
}): Stream {
  const { clientId, kind } = query;
  const gathered = useRef<Activity[]>([]);
  const times = useRef<number[]>([]);
  const [entries, setEntries] = useState<readonly Activity[]>([]);
  const [state, setState] = useState<Stream['state']>('connecting');
  const [isPaused, setIsPaused] = useState(false);
  const [figures, setFigures] = useState({ perSecond: 0, waiting: 0 });
  useEffect(() => {
    gathered.current = [];
    setEntries([]);
    setState('connecting');
    const given = Object.entries({ clientId, kind }).flatMap(([name, value]) => (value ? [[name, value]] : []));
    const source = new EventSource(`/operator/v1/stream?${new URLSearchParams(Object.fromEntries(given))}`);
    source.onopen = () => setState('following');
    // A source that is closed was refused, and does not come back by itself.
    source.onerror = () => setState(source.readyState === EventSource.CLOSED ? 'refused' : 'lost');
    const onEvent = ({ data, lastEventId }: MessageEvent<string>) => {
      const entry: Schemas['StreamedActivity'] = JSON.parse(data);
      gathered.current.push({ ...entry, id: `${lastEventId} ${entry.kind}` });
      times.current.push(performance.now());
      if (gathered.current.length > HELD_MAX) gathered.current.shift();
    };
    for (const each of KINDS) source.addEventListener(each, onEvent);
    return () => source.close();
  }, [clientId, kind]);
  useEffect(() => {
    const timer = setInterval(() => {
      const since = performance.now() - RATE_OVER_MS;
      times.current = times.current.filter((each) => each > since);
      const perSecond = (times.current.length * 1000) / RATE_OVER_MS;
      const waiting = isPaused ? gathered.current.length : 0;
      setFigures((old) => (old.perSecond === perSecond && old.waiting === waiting ? old : { perSecond, waiting }));
      if (isPaused || gathered.current.length === 0) return;
      const fresh = gathered.current.toReversed();
      gathered.current = [];
      setEntries((old) => [...fresh, ...old].slice(0, HELD_MAX));
    }, DRAWN_EVERY_MS);
    return () => clearInterval(timer);
  }, [isPaused]);
  const clear = useCallback(() => setEntries([]), []);
  return { entries, state, ...figures, isPaused, setIsPaused, clear };
}
