import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { StoreCounts } from '../store/operations.ts';
import { Problem } from './problem.ts';

/** Settings and dependencies of the gate: the section `publishing` of the configuration, and how to look. */
interface PublishingGateOptions {
  readonly requestsMax: number;
  readonly inFlightBytesMax: number;
  readonly awaitingMax: number;
  readonly diskFreeBytesMin: number;
  /** Largest body that is read at all: what a body counts as whose length is not told. */
  readonly bodyBytesMax: number;
  readonly counts: () => Promise<StoreCounts>;
  /** Free bytes of the disk that the store is on; undefined: it is not on a disk of this machine. */
  readonly freeBytes: (() => Promise<number>) | undefined;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

/** Slows publishing down before memory or disk run out. What it refuses was not read, and nothing of it is kept. */
export interface PublishingGate {
  /**
   * Lets a publish request in, before its body is read.
   *
   * @param contentLength as the request tells it; undefined: it comes in chunks
   * @returns ends it; must be called once the request is done with, and may be called again
   * @throws {Problem} 429 while too much is worked on, 503 while there is no room for what would be kept
   */
  enter(contentLength: number | undefined): Promise<() => void>;
  /** Why publishing is closed now, to be read after "Publishing is closed: "; undefined: it is open. */
  closedBecause(): Promise<string | undefined>;
}

// Room that is asked for by every request is looked at this often.
const LOOK_MS = 1000;
// A request is done within moments; a backlog or a full disk takes longer.
const BUSY_RETRY_AFTER_SECONDS = 1;
const CLOSED_RETRY_AFTER_SECONDS = 10;

/** Makes the gate in front of publishing. */
export function createPublishingGate(options: PublishingGateOptions): PublishingGate {
  const { requestsMax, inFlightBytesMax, bodyBytesMax } = options;
  const closedBecause = lookNowAndThen(() => lookForRoom(options), options);
  let requests = 0;
  let bytes = 0;

  return {
    closedBecause,
    enter: async (contentLength = bodyBytesMax) => {
      const bodyBytes = Math.min(contentLength, bodyBytesMax);
      if (requests >= requestsMax) {
        throw busy('As many publish requests are being worked on as "publishing.requestsMax" allows');
      }
      // A body that is larger than the bound on all of them is let in when it is alone, or it never would be.
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
  return new Problem(429, `${why}; nothing of this one was read, try again.`, {}, BUSY_RETRY_AFTER_SECONDS);
}

function closed(why: string): Problem {
  const detail = `Publishing is closed: ${why}. Nothing of this request was kept; try again later.`;
  return new Problem(503, detail, {}, CLOSED_RETRY_AFTER_SECONDS);
}

async function lookForRoom(options: PublishingGateOptions): Promise<string | undefined> {
  const { counts, awaitingMax, freeBytes, diskFreeBytesMin, log } = options;
  const { awaiting } = await counts();
  if (awaiting >= awaitingMax) {
    return `${awaiting} notifications are awaiting, and "publishing.awaitingMax" is ${awaitingMax}`;
  }
  if (freeBytes === undefined || diskFreeBytesMin === 0) return undefined;
  const free = await freeBytes().catch((error: unknown) => {
    // The store itself says when it is full.
    log.warn({ err: error }, 'free disk could not be told');
    return undefined;
  });
  if (free === undefined || free >= diskFreeBytesMin) return undefined;
  return `the disk of the store has ${free} bytes free, and "publishing.diskFreeBytesMin" is ${diskFreeBytesMin}`;
}

/** Looks at most once in {@link LOOK_MS}: all who ask meanwhile get the same. Says so when it turns. */
function lookNowAndThen(
  look: () => Promise<string | undefined>,
  { clock, log }: Pick<PublishingGateOptions, 'clock' | 'log'>,
): () => Promise<string | undefined> {
  let looked: { readonly atMs: number; readonly why: Promise<string | undefined> } | undefined;
  let wasClosed = false;
  return () => {
    const nowMs = clock.monotonicMs();
    if (looked !== undefined && nowMs - looked.atMs < LOOK_MS) return looked.why;
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
        // A look that failed is made anew by the next who asks.
        if (looked === latest) looked = undefined;
      },
    );
    return latest.why;
  };
}
