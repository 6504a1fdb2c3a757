import type { ActivityEntry, StoredActivity } from '../model/activity.ts';

/** A place in the activity log: after an entry of a row, or after all of it where there is no index. */
export interface Position {
  readonly rowId: number;
  readonly index: number | undefined;
}

/** Kinds of entries in the stream. `missed` is sent whatever is asked for. */
export const STREAM_KINDS = [
  ...(['accepted', 'attempted', 'acknowledged', 'reported-error', 'unresponsive', 'recovered'] as const),
  ...(['redelivered', 'withdrawn', 'expired', 'missed'] as const),
] as const satisfies readonly ActivityEntry['kind'][];

/** The filter of a subscriber. */
export interface StreamFilter {
  /** Undefined: of all TPPs, and of what is of no single one. */
  readonly clientId: string | undefined;
  /** Undefined: of all kinds. */
  readonly kinds: ReadonlySet<string> | undefined;
}

/** An entry with its place. `entry` is undefined for what only moves the place on. */
export interface StreamEntry {
  readonly position: Position;
  readonly entry: ActivityEntry;
}

const POSITION = /^(\d{1,15})(?:-(\d{1,6}))?$/;

/** A position as text, for `Last-Event-ID`. */
export function formatPosition({ rowId, index }: Position): string {
  return index === undefined ? String(rowId) : `${rowId}-${index}`;
}

/** Reads a position. @returns undefined when it is none */
export function parsePosition(text: string): Position | undefined {
  const [, rowId, index] = POSITION.exec(text) ?? [];
  if (rowId === undefined) return undefined;
  return { rowId: Number(rowId), index: index === undefined ? undefined : Number(index) };
}

const KNOWN: ReadonlySet<string> = new Set(STREAM_KINDS);

/** The entries of a row; those of kinds that a newer version writes are left out. */
export function streamEntriesOf({ id, entries }: StoredActivity): StreamEntry[] {
  return entries.flatMap((entry, index) => (KNOWN.has(entry.kind) ? [{ position: { rowId: id, index }, entry }] : []));
}

/** Whether an entry is asked for. */
export function isWanted(entry: ActivityEntry, { clientId, kinds }: StreamFilter): boolean {
  if (entry.kind === 'missed') return true;
  if (kinds !== undefined && !kinds.has(entry.kind)) return false;
  return clientId === undefined || entry.clientId === clientId;
}
