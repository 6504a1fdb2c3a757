import { type ReactElement, useSyncExternalStore } from 'react';

const TICK_MS = 1000;
let nowMs = Date.now();
const observers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(observer: () => void): () => void {
  observers.add(observer);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const each of observers) each();
  }, TICK_MS);
  return () => {
    observers.delete(observer);
    if (observers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** A duration in the largest unit that fits, and the next where that says more: `3 min`, `2 h 5 min`, `840 ms`. */
export function formatDuration(durationMs: number): string {
  const at = UNITS.findIndex(([, unitMs]) => durationMs >= unitMs);
  const [unit, unitMs] = UNITS[at] ?? ['ms', 1];
  const whole = Math.floor(durationMs / unitMs);
  const [nextUnit, nextMs] = UNITS[at + 1] ?? ['', 0];
  if (unit === 's' && durationMs < 10_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const rest = at >= 0 && nextMs > 0 && whole < 10 ? Math.floor((durationMs % unitMs) / nextMs) : 0;
  return rest === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${nextUnit}`;
}

/** How long ago, or in how long: `3 min ago`, `in 20 s`. */
export function formatRelative(atMs: number, now: number): string {
  const agoMs = now - atMs;
  if (Math.abs(agoMs) < 2000) return 'now';
  const text = formatDuration(Math.floor(Math.abs(agoMs) / 1000) * 1000).replace('.0 s', ' s');
  return agoMs > 0 ? `${text} ago` : `in ${text}`;
}

/** UTC, to the second: `2026-11-29 20:41:07 UTC`. */
export function formatUtc(at: string): string {
  return `${at.slice(0, 19).replace('T', ' ')} UTC`;
}

/** A time, relative to now and kept so; UTC on hover and for a focus. */
export function Time({ at }: { readonly at: string }): ReactElement {
  const now = useSyncExternalStore(subscribe, () => nowMs);
  return (
    <time dateTime={at} title={formatUtc(at)}>
      {formatRelative(Date.parse(at), now)}
    </time>
  );
}

/** How long something has gone on. */
export function Lasting({ since }: { readonly since: string }): ReactElement {
  const now = useSyncExternalStore(subscribe, () => nowMs);
  return (
    <time dateTime={since} title={`since ${formatUtc(since)}`}>
      {formatDuration(Math.max(1000, Math.floor((now - Date.parse(since)) / 1000) * 1000)).replace('.0 s', ' s')}
    </time>
  );
}

/** The time of now, by the second. */
export function useNowMs(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}
