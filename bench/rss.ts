import { readFileSync } from 'node:fs';

/** One sample of the memory of a process. */
export interface RssSample {
  readonly atSeconds: number;
  readonly rssBytes: number;
}

/** Evaluation of the samples of a run. */
export interface RssVerdict {
  readonly isFlat: boolean;
  /** Slope of the line through the troughs, after the warm-up. */
  readonly slopeBytesPerSecond: number;
  readonly slopeMaxBytesPerSecond: number;
  readonly firstBytes: number;
  readonly lastBytes: number;
  readonly peakBytes: number;
}

// Caches, pools and compiled code grow at first.
const WARM_UP_PART = 1 / 3;
const WINDOWS = 10;

/** Resident memory of a process now (VmRSS), in bytes. */
export function rssBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/**
 * Evaluates whether memory grows. The first third of the run is the warm-up; the rest is divided into 10 windows. Only
 * the trough of each window counts, because a garbage collector lets memory rise and fall all the time. The slope is
 * the median of the slopes between every two troughs, because a single step or peak is not a leak.
 *
 * @param samples in the order of their times, at least one in each window
 * @param slopeMaxBytesPerSecond highest slope that counts as flat
 */
export function rssVerdict(samples: readonly RssSample[], slopeMaxBytesPerSecond: number): RssVerdict {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new Error('there are no samples');
  const fromSeconds = first.atSeconds + (last.atSeconds - first.atSeconds) * WARM_UP_PART;
  const troughs = troughsOf(samples, fromSeconds, last.atSeconds);
  const slopes = troughs.flatMap((early, at) => troughs.slice(at + 1).map((late) => slopeBetween(early, late)));
  if (slopes.length === 0) throw new Error('there are too few samples to compute a slope');
  const slopeBytesPerSecond = slopes.sort((left, right) => left - right)[slopes.length >> 1] ?? 0;
  return {
    isFlat: slopeBytesPerSecond <= slopeMaxBytesPerSecond,
    slopeBytesPerSecond,
    slopeMaxBytesPerSecond,
    firstBytes: troughs[0]?.rssBytes ?? 0,
    lastBytes: troughs.at(-1)?.rssBytes ?? 0,
    peakBytes: Math.max(...samples.map(({ rssBytes }) => rssBytes)),
  };
}

function troughsOf(samples: readonly RssSample[], fromSeconds: number, toSeconds: number): RssSample[] {
  const windowSeconds = (toSeconds - fromSeconds) / WINDOWS;
  return Array.from({ length: WINDOWS }, (_, at) => {
    const beginSeconds = fromSeconds + at * windowSeconds;
    const isLast = at === WINDOWS - 1;
    return samples.filter(
      ({ atSeconds }) => atSeconds >= beginSeconds && (isLast || atSeconds < beginSeconds + windowSeconds),
    );
  }).flatMap((within) => {
    const trough = within.toSorted((left, right) => left.rssBytes - right.rssBytes)[0];
    return trough === undefined ? [] : [trough];
  });
}

function slopeBetween(early: RssSample, late: RssSample): number {
  return (late.rssBytes - early.rssBytes) / (late.atSeconds - early.atSeconds);
}
