const DELTA_SECONDS = /^\d{1,9}$/;
const HTTP_DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Reads a Retry-After header: seconds, or an IMF-fixdate (RFC 9110 section 10.2.3).
 *
 * @returns milliseconds from now, never below 0; undefined when there is no such header, or nonsense in it
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (DELTA_SECONDS.test(header)) return Number(header) * 1000;
  if (!HTTP_DATE.test(header)) return undefined;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(atMs - nowMs, 0);
}
