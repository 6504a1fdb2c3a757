import type { BadLine, Batch, Position } from './input.ts';
import type { Sender, SentBatch } from './send.ts';

/** Options of a run. */
export interface PublishOptions {
  readonly batches: AsyncIterable<Batch>;
  readonly sender: Pick<Sender, 'send'>;
  readonly inFlightMax: number;
  /** Ends the reading. */
  readonly reading: AbortController;
  /** Ends the sending. */
  readonly sending: AbortController;
  /**
   * Called in the order of the input, as soon as all before a position is published or rejected.
   *
   * @param rejected lines that were rejected since the last call
   */
  readonly onDone: (end: Position, rejected: readonly BadLine[]) => void;
}

interface BegunBatch {
  readonly batch: Batch;
  sent?: SentBatch;
}

/**
 * Publishes batch after batch, several at once. When something stops it, what is under way ends first.
 *
 * @returns whether all is published, or rejected
 * @throws whatever stopped it, but not what the reading says when it is ended
 */
export async function publishAll(options: PublishOptions): Promise<boolean> {
  const { batches, sender, inFlightMax, reading, sending, onDone } = options;
  const begun: BegunBatch[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let isAllDone = true;
  let hasEnded = false;

  const fail = (error: unknown) => {
    failure ??= { error };
    reading.abort();
    sending.abort();
  };
  const begin = (batch: Batch) => {
    const entry: BegunBatch = { batch };
    begun.push(entry);
    const work = sender
      .send(batch.lines)
      .then((sent) => {
        entry.sent = sent;
        if (isAllDone) isAllDone = passOn(begun, onDone);
        if (sent.firstLeft !== undefined) reading.abort();
        if (sent.failure !== undefined) fail(sent.failure.error);
      })
      .catch(fail)
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };

  try {
    for await (const batch of batches) {
      // Of two lines with one id it is the first that is published, whichever request is quicker.
      while (begun.some((each) => holdsUp(each, batch)) && !reading.signal.aborted) await Promise.race(underWay);
      if (reading.signal.aborted) break;
      begin(batch);
      // Counted from the oldest that is not done: one that waits holds up the others, or they would run far ahead of it.
      while (begun.length >= inFlightMax && !reading.signal.aborted) await Promise.race(underWay);
      if (reading.signal.aborted) break;
    }
    hasEnded = !reading.signal.aborted;
  } catch (error) {
    // A stream that is broken off says so. What was read before something that cannot be read is published first.
    if (!reading.signal.aborted) {
      await Promise.all(underWay);
      fail(error);
    }
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
  return isAllDone && hasEnded;
}

/** Passes on what is done from the oldest batch on. @returns whether nothing was left out of what was sent */
function passOn(begun: BegunBatch[], onDone: PublishOptions['onDone']): boolean {
  while (begun[0]?.sent !== undefined) {
    const { batch, sent } = begun[0];
    const { firstLeft, rejected } = sent;
    onDone(firstLeft?.start ?? batch.end, rejected);
    if (firstLeft !== undefined) return false;
    begun.shift();
  }
  return true;
}

/** Whether a batch is under way that has an id in common with the next one. */
function holdsUp({ batch, sent }: BegunBatch, next: Batch): boolean {
  const ids = idsOf(batch);
  return sent === undefined && [...idsOf(next)].some((id) => ids.has(id));
}

function idsOf({ lines }: Batch): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => (line.kind === 'bad' || line.eventId === undefined ? [] : [line.eventId])));
}
