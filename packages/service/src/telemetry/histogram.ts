/**
 * A histogram of durations with buckets that grow by a constant factor, so that its error is relative and its size is
 * bounded whatever is put in. Bucket 0 holds what took less than a millisecond; bucket n from {@link GROWTH}^(n-1) up to but
 * without {@link GROWTH}^n milliseconds.
 */
export type Histogram = Readonly<Record<string, number>>;

// What is reported is the geometric middle of a bucket: at most its square root, 8.7 %, off, and 0.5 % for rounding.
const GROWTH = 1.18;
const LN_GROWTH = Math.log(GROWTH);
/** The last bucket takes whatever is longer: some 9 years. */
export const BUCKET_MAX = 160;
/** The largest relative error of a percentile, from a millisecond up. */
export const ERROR_MAX = 0.1;

/** The bucket of a duration. */
export function bucketOf(durationMs: number): number {
  if (!(durationMs >= 1)) return 0;
  return Math.min(Math.floor(Math.log(durationMs) / LN_GROWTH) + 1, BUCKET_MAX);
}

/** The representative duration of a bucket, in milliseconds, with three digits. */
export function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : Number((GROWTH ** (bucket - 0.5)).toPrecision(3));
}

/** How many durations are in it. */
export function countOf(histogram: Histogram): number {
  return Object.values(histogram).reduce((sum, count) => sum + count, 0);
}

/**
 * For each part of all, the duration that so many do not exceed (nearest rank), to within {@link ERROR_MAX}.
 *
 * @param parts rising, above 0 and up to 1
 * @returns undefined when there are no durations
 */
export function percentilesOf(histogram: Histogram, parts: readonly number[]): readonly number[] | undefined {
  const total = countOf(histogram);
  if (total === 0) return undefined;
  // Members that are whole numbers come in their order.
  const buckets = Object.keys(histogram);
  let at = -1;
  let upTo = 0;
  return parts.map((part) => {
    const rank = Math.max(Math.ceil(total * part), 1);
    while (upTo < rank && at < buckets.length - 1) {
      at += 1;
      upTo += histogram[buckets[at] ?? ''] ?? 0;
    }
    return middleOf(Number(buckets[at] ?? 0));
  });
}
