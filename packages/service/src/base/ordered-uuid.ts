/**
 * Makes a UUID of version 7 (RFC 9562 section 5.7): it begins with the time, so that what is made together lies together
 * in an index. Within a millisecond the order is random.
 *
 * @param nowMs milliseconds since the epoch, below 2^48
 * @param random a UUID of version 4, for the rest
 */
export function orderedUuid(nowMs: number, random: string): string {
  const time = Math.trunc(nowMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
