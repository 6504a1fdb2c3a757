// What else the thread pool does waits behind so many signatures at the worst. With fewer the pool runs
// dry while the main thread is busy (docs/performance.md).
const DELIVERIES_AT_ONCE_MAX = 256;
// A delivery waits behind at most so many signatures of answers, about 6 ms on two cores. With fewer the pool runs dry between two
// turns of a main thread that answers polls.
const ANSWERS_AT_ONCE_MAX = 32;

/**
 * Shares the thread pool among everything that signs. Deliveries begin first, in the order in which they came. Answers to
 * TPPs, polls above all, begin while no delivery waits, a bounded number at once, and the TPPs take turns, so that a burst
 * of one TPP delays neither deliveries nor the answers of others. One answer may always be signed, so that deliveries
 * that never cease do not stop the answers altogether. Nothing here bounds how many wait: callers do.
 */
export class SigningQueue {
  readonly #deliveries: (() => void)[] = [];
  /** By client_id, the TPP whose turn is next first. No list is empty. */
  readonly #answers = new Map<string, (() => void)[]>();
  #deliveriesUnderWay = 0;
  #answersUnderWay = 0;

  /** For a notification that is published or delivered. */
  readonly forDelivery = async <T>(work: () => Promise<T>): Promise<T> => {
    if (this.#deliveriesUnderWay < DELIVERIES_AT_ONCE_MAX) this.#deliveriesUnderWay += 1;
    else await new Promise<void>((resolve) => this.#deliveries.push(resolve));
    try {
      return await work();
    } finally {
      this.#deliveriesUnderWay -= 1;
      this.#begin();
    }
  };

  /** For an answer to a TPP. */
  readonly forAnswer = async <T>(clientId: string, work: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => {
      const waiting = this.#answers.get(clientId);
      if (waiting === undefined) this.#answers.set(clientId, [resolve]);
      else waiting.push(resolve);
      this.#begin();
    });
    try {
      return await work();
    } finally {
      this.#answersUnderWay -= 1;
      this.#begin();
    }
  };

  #begin(): void {
    while (this.#deliveriesUnderWay < DELIVERIES_AT_ONCE_MAX) {
      const next = this.#deliveries.shift();
      if (next === undefined) break;
      this.#deliveriesUnderWay += 1;
      next();
    }
    const atOnceMax = this.#deliveries.length > 0 ? 1 : ANSWERS_AT_ONCE_MAX;
    while (this.#answersUnderWay < atOnceMax) {
      const next = this.#nextAnswer();
      if (next === undefined) break;
      this.#answersUnderWay += 1;
      next();
    }
  }

  #nextAnswer(): (() => void) | undefined {
    for (const [clientId, waiting] of this.#answers) {
      const next = waiting.shift();
      this.#answers.delete(clientId);
      if (waiting.length > 0) this.#answers.set(clientId, waiting);
      return next;
    }
    return undefined;
  }
}
