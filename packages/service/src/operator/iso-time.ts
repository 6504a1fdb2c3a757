/** A time as the operator reads it: ISO 8601 in UTC, milliseconds kept. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
