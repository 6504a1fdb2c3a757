/** One poll that is being answered. All may be called at any time and more than once. */
export interface PollSlot {
  /** The poll is held: while nothing is there to be answered, it counts as a long poll only. */
  hold(): void;
  /** The poll is being answered again. */
  resume(): void;
  /** The answer has been read, or nobody is there to read it. */
  leave(): void;
}

/**
 * Bounds how many polls of one TPP are being answered at once, from the request until the answer has left for the
 * network: reading, signing and keeping SETs for one TPP takes no more than its share, and answers that it does not read
 * stay few. Long polls are counted apart while they are held (`LongPolls`); one that is woken counts here again, past the
 * bound if need be.
 */
export class PollLimit {
  readonly #perTppMax: number;
  readonly #answering = new Map<string, number>();

  constructor(perTppMax: number) {
    this.#perTppMax = perTppMax;
  }

  /** @returns undefined when the TPP has as many polls under way as it may */
  enter(clientId: string): PollSlot | undefined {
    if ((this.#answering.get(clientId) ?? 0) >= this.#perTppMax) return undefined;
    let state: 'answering' | 'held' | 'left' = 'answering';
    this.#add(clientId, 1);
    const become = (next: typeof state) => {
      if (state === 'left' || state === next) return;
      if (state === 'answering') this.#add(clientId, -1);
      if (next === 'answering') this.#add(clientId, 1);
      state = next;
    };
    return { hold: () => become('held'), resume: () => become('answering'), leave: () => become('left') };
  }

  #add(clientId: string, change: number): void {
    const count = (this.#answering.get(clientId) ?? 0) + change;
    if (count === 0) this.#answering.delete(clientId);
    else this.#answering.set(clientId, count);
  }
}
