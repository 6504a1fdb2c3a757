// RFC 9111 section 1.2.2: the value that replaces a number of seconds too large to represent.
const DELTA_SECONDS_MAX = 2_147_483_648;
const DELTA_SECONDS = /^\d+$/;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)';
const DAY_NAME = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const DAY_NAME_LONG = '(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day';

// The three forms of RFC 9110 section 5.6.7, which are case-sensitive.
const HTTP_DATES: readonly RegExp[] = [
  new RegExp(`^${DAY_NAME}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${DAY_NAME_LONG}, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${DAY_NAME} ${MONTH} (?<day>\\d{2}| \\d) ${TIME} (?<year>\\d{4})$`),
];

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3): whole seconds, or a date in any of the three forms of section 5.6.7.
 * Returns the requested delay however long; the caller's policy limits it.
 *
 * @param header value of the header; null or undefined when it was not sent
 * @param nowMs milliseconds since the epoch
 * @returns whole milliseconds from now, from 0 to 2 147 483 648 000; undefined when there is no header or it cannot be
 *   parsed
 */
export function retryAfterMs(header: string | null | undefined, nowMs: number): number | undefined {
  if (header === null || header === undefined) return undefined;
  const askedMs = DELTA_SECONDS.test(header) ? 1000 * Number(header) : untilMs(header, nowMs);
  return askedMs === undefined ? undefined : Math.min(Math.max(Math.ceil(askedMs), 0), 1000 * DELTA_SECONDS_MAX);
}

function untilMs(date: string, nowMs: number): number | undefined {
  const fields = HTTP_DATES.map((form) => form.exec(date)?.groups).find((groups) => groups !== undefined);
  if (fields === undefined) return undefined;
  const { day, month = '', year = '', hour, minute, second } = fields;
  const at = new Date(0);
  at.setUTCFullYear(year.length === 2 ? yearOf(Number(year), nowMs) : Number(year), MONTHS.indexOf(month), Number(day));
  // Rejects the 31st of a month with 30 days.
  if (at.getUTCDate() !== Number(day)) return undefined;
  // A leap second (60) becomes the following second, as in POSIX time.
  return at.setUTCHours(Number(hour), Number(minute), Number(second)) - nowMs;
}

/**
 * The year for two digits (RFC 9110 section 5.6.7): one more than 50 years ahead is taken as the most recent past year.
 */
function yearOf(twoDigits: number, nowMs: number): number {
  const yearNow = new Date(nowMs).getUTCFullYear();
  const year = yearNow - (yearNow % 100) + twoDigits;
  return year > yearNow + 50 ? year - 100 : year;
}
