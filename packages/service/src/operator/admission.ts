import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { StoreCounts } from '../store/operations.ts';
import { Problem } from './problem.ts';

/** Settings (section `publishing` of the configuration) and dependencies of the gate. */
interface PublishingGateOptions {
  readonly requestsMax: number;
  readonly inFlightBytesMax: number;
  readonly awaitingMax: number;
  readonly diskFreeBytesMin: number;
  /** Largest body that is read; a body of unknown length counts as this large. */
  readonly bodyBytesMax: number;
  readonly counts: () => Promise<StoreCounts>;
  /** Free bytes on the disk of the store; undefined if the store is not on this machine. */
  readonly freeBytes: (() => Promise<number>) | undefined;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

/** Limits publishing before memory or disk run out. A rejected request is not read, and nothing of it is stored. */
export interface PublishingGate {
  /**
   * Admits a publish request, before its body is read.
   *
   * @param contentLength Content-Length; undefined for a chunked body
   * @returns releases the capacity; must be called when the request is finished, and may be called repeatedly
   * @throws {Problem} 429 while too many requests are in progress, 503 while publishing is closed
   */
  enter(contentLength: number | undefined): Promise<() => void>;
  /** Why publishing is closed, to follow "Publishing is closed: "; undefined if it is open. */
  closedBecause(): Promise<string | undefined>;
}

// Capacity is checked at most this often, although every request needs the result.
const CHECK_MS = 1000;
// A request is done within moments; a backlog or a full disk takes longer.
const BUSY_RETRY_AFTER_SECONDS = 1;
const CLOSED_RETRY_AFTER_SECONDS = 10;

/** Makes the gate in front of publishing. */
export function createPublishingGate(options: PublishingGateOptions): PublishingGate {
  const { requestsMax, inFlightBytesMax, bodyBytesMax } = options;
  const closedBecause = checkPeriodically(() => findShortage(options), options);
  let requests = 0;
  let bytes = 0;

  return {
    closedBecause,
    enter: async (contentLength = bodyBytesMax) => {
      const bodyBytes = Math.min(contentLength, bodyBytesMax);
      if (requests >= requestsMax) {
        throw busy('As many publish requests are being worked on as "publishing.requestsMax" allows');
      }
      // A body larger than the total limit is admitted when it is alone; otherwise it never would be.
      if (bytes > 0 && bytes + bodyBytes > inFlightBytesMax) {
        throw busy(
          'The publish requests that are being worked on hold as much as "publishing.inFlightBytesMax" allows',
        );
      }
      requests += 1;
      bytes += bodyBytes;
      let isIn = true;
      const leave = () => {
        if (!isIn) return;
        isIn = false;
        requests -= 1;
        bytes -= bodyBytes;
      };
      try {
        const why = await closedBecause();
        if (why !== undefined) throw closed(why);
      } catch (error) {
        leave();
        throw error;
      }
      return leave;
    },
  };
}

function busy(why: string): Problem {
  return new Problem(429, `${why}; this request was not read, try again.`, {}, BUSY_RETRY_AFTER_SECONDS);
}

function closed(why: string): Problem {
  const detail = `Publishing is closed: ${why}. Nothing of this request was kept; try again later.`;
  return new Problem(503, detail, {}, CLOSED_RETRY_AFTER_SECONDS);
}

async function findShortage(options: PublishingGateOptions): Promise<string | undefined> {
  const { counts, awaitingMax, freeBytes, diskFreeBytesMin, log } = options;
  const { awaiting } = await counts();
  if (awaiting >= awaitingMax) {
    return `${awaiting} notifications are awaiting, and "publishing.awaitingMax" is ${awaitingMax}`;
  }
  if (freeBytes === undefined || diskFreeBytesMin === 0) return undefined;
  const free = await freeBytes().catch((error: unknown) => {
    // The store itself says when it is full.
    log.warn({ err: error }, 'free disk space could not be determined');
    return undefined;
  });
  if (free === undefined || free >= diskFreeBytesMin) return undefined;
  return `the disk of the store has ${free} bytes free, and "publishing.diskFreeBytesMin" is ${diskFreeBytesMin}`;
}

/** Checks at most once in {@link CHECK_MS}, shares the result meanwhile, and logs when it changes. */
function checkPeriodically(
  look: () => Promise<string | undefined>,
  { clock, log }: Pick<PublishingGateOptions, 'clock' | 'log'>,
): () => Promise<string | undefined> {
  let looked: { readonly atMs: number; readonly why: Promise<string | undefined> } | undefined;
  let wasClosed = false;
  return () => {
    const nowMs = clock.monotonicMs();
    if (looked !== undefined && nowMs - looked.atMs < CHECK_MS) return looked.why;
    const latest = { atMs: nowMs, why: look() };
    looked = latest;
    latest.why.then(
      (why) => {
        if ((why !== undefined) === wasClosed) return;
        wasClosed = why !== undefined;
        if (why === undefined) log.info('publishing is open again');
        else log.warn({ why }, 'publishing is closed');
      },
      () => {
        // After a failed check the next caller repeats it.
        if (looked === latest) looked = undefined;
      },
    );
    return latest.why;
  };
}
