/** Sizes, durations and times in the units that people read. Durations have the units of the flags: s, m, h and d. */

const SECOND_MS = 1000;
const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', SECOND_MS],
];

/** Formats a duration: `12 ms`, `1.25 s`, `3m 20s`, `2d 4h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < SECOND_MS) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${Number((durationMs / SECOND_MS).toPrecision(3))} s`;
  const at = UNITS.findIndex(([, unitMs]) => durationMs >= unitMs);
  const [[unit, unitMs], [lesser, lesserMs]] = [UNITS[at] ?? ['s', SECOND_MS], UNITS[at + 1] ?? ['s', SECOND_MS]];
  const rest = Math.floor((durationMs % unitMs) / lesserMs);
  const whole = `${Math.floor(durationMs / unitMs)}${unit}`;
  return rest === 0 ? whole : `${whole} ${rest}${lesser}`;
}

/** Formats a number of bytes with decimal units: `512 B`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const scaled = bytes / 1000 ** power;
  return `${power === 0 ? scaled : scaled.toFixed(scaled < 100 ? 1 : 0)} ${units[power]}`;
}

/** Formats a time relative to now: `3m ago`, `in 2h`, `now`. */
export function formatRelative(at: string, nowMs: number): string {
  const agoMs = nowMs - Date.parse(at);
  const [unit, unitMs] = UNITS.find(([, each]) => Math.abs(agoMs) >= each) ?? ['', 0];
  if (unitMs === 0) return 'now';
  const age = `${Math.floor(Math.abs(agoMs) / unitMs)}${unit}`;
  return agoMs > 0 ? `${age} ago` : `in ${age}`;
}

/** Formats a time in UTC, with the time relative to now: `2026-11-29T20:41:07.120Z (3m ago)`. */
export function formatTime(at: string, nowMs: number): string {
  return `${at} (${formatRelative(at, nowMs)})`;
}

const DAY_MS = 86_400_000;

/** The same in fewer characters: `20:41:07Z 3m ago` within a day of now, else `2026-11-20 9d ago`. */
export function formatTimeShort(at: string, nowMs: number): string {
  const utc = new Date(at).toISOString();
  const isNear = Math.abs(nowMs - Date.parse(at)) < DAY_MS;
  return `${isNear ? `${utc.slice(11, 19)}Z` : utc.slice(0, 10)} ${formatRelative(at, nowMs)}`;
}
