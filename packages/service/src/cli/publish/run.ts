import type { Batch, InvalidLine, Position } from './input.ts';
import type { Sender, SentBatch } from './send.ts';

/** Options of {@link publishAll}. */
export interface PublishOptions {
  readonly batches: AsyncIterable<Batch>;
  readonly sender: Pick<Sender, 'send'>;
  readonly inFlightMax: number;
  /** Stops the reading. */
  readonly reading: AbortController;
  /** Stops the sending. */
  readonly sending: AbortController;
  /**
   * Called in the order of the input, as soon as everything before a position is published or rejected.
   *
   * @param rejected lines that were rejected since the last call
   */
  readonly onDone: (end: Position, rejected: readonly InvalidLine[]) => void;
}

interface StartedBatch {
  readonly batch: Batch;
  sent?: SentBatch;
}

/**
 * Publishes several batches in parallel. If something stops it, requests in progress end first.
 *
 * @returns whether all lines are published or rejected
 * @throws whatever stopped it, except the error of a stream whose reading was stopped
 */
export async function publishAll(options: PublishOptions): Promise<boolean> {
  const { batches, sender, inFlightMax, reading, sending, onDone } = options;
  const started: StartedBatch[] = [];
  const inProgress = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let isAllDone = true;
  let hasEnded = false;

  const fail = (error: unknown) => {
    failure ??= { error };
    reading.abort();
    sending.abort();
  };
  const start = (batch: Batch) => {
    const entry: StartedBatch = { batch };
    started.push(entry);
    const work = sender
      .send(batch.lines)
      .then((sent) => {
        entry.sent = sent;
        if (isAllDone) isAllDone = reportFinished(started, onDone);
        if (sent.firstLeft !== undefined) reading.abort();
        if (sent.failure !== undefined) fail(sent.failure.error);
      })
      .catch(fail)
      .finally(() => inProgress.delete(work));
    inProgress.add(work);
  };

  try {
    for await (const batch of batches) {
      // Of two lines with the same id the first must be published, whichever request is faster.
      while (started.some((each) => sharesId(each, batch)) && !reading.signal.aborted) await Promise.race(inProgress);
      if (reading.signal.aborted) break;
      start(batch);
      // Counted from the oldest unfinished batch, so that others do not run far ahead of one that waits.
      while (started.length >= inFlightMax && !reading.signal.aborted) await Promise.race(inProgress);
      if (reading.signal.aborted) break;
    }
    hasEnded = !reading.signal.aborted;
  } catch (error) {
    // A stopped stream throws as well. Lines read before a read error are published first.
    if (!reading.signal.aborted) {
      await Promise.all(inProgress);
      fail(error);
    }
  }
  await Promise.all(inProgress);
  if (failure !== undefined) throw failure.error;
  return isAllDone && hasEnded;
}

/** Reports finished batches in order. @returns whether every line of them was published or rejected */
function reportFinished(started: StartedBatch[], onDone: PublishOptions['onDone']): boolean {
  while (started[0]?.sent !== undefined) {
    const { batch, sent } = started[0];
    const { firstLeft, rejected } = sent;
    onDone(firstLeft?.start ?? batch.end, rejected);
    if (firstLeft !== undefined) return false;
    started.shift();
  }
  return true;
}

/** Whether a batch in progress has an id in common with the next one. */
function sharesId({ batch, sent }: StartedBatch, next: Batch): boolean {
  const ids = idsOf(batch);
  return sent === undefined && [...idsOf(next)].some((id) => ids.has(id));
}

function idsOf({ lines }: Batch): ReadonlySet<string> {
  return new Set(
    lines.flatMap((line) => (line.kind === 'invalid' || line.eventId === undefined ? [] : [line.eventId])),
  );
}
