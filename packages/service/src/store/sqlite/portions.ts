import type { WriteQueue } from './write-queue.ts';

/** Work on what a TPP has awaiting that one transaction begins, and others go on with until none is left. */
export interface PortionedWork {
  /** TPPs for which some is left. */
  unfinished(): string[];
  /** Must run inside a transaction. @param limit how many rows at most @returns whether there is more */
  doSome(clientId: string, limit: number): boolean;
}

/**
 * Goes on with work on a backlog, one portion in a transaction: all of it in one would hold the main thread. What is left
 * when the process ends, the next one finds in the store.
 */
export class Portions {
  readonly #work: PortionedWork;
  readonly #writes: WriteQueue;
  readonly #portion: number;
  readonly #onPortion: (clientId: string) => void;
  readonly #underWay = new Set<string>();
  #isStopped = false;

  /** @param onPortion told after each portion */
  constructor(
    work: PortionedWork,
    writes: WriteQueue,
    portion: number,
    onPortion: (clientId: string) => void = () => undefined,
  ) {
    this.#work = work;
    this.#writes = writes;
    this.#portion = portion;
    this.#onPortion = onPortion;
  }

  /** Resolves when all is done, or it is stopped, or the database refused: what began it stands, and {@link resume} goes on. */
  async finish(clientId: string): Promise<void> {
    this.#underWay.add(clientId);
    try {
      for (let isMore = true; isMore && !this.#isStopped; ) {
        isMore = await this.#writes.run(() => this.#work.doSome(clientId, this.#portion));
        this.#onPortion(clientId);
      }
    } catch {
      // It is taken up again.
    } finally {
      this.#underWay.delete(clientId);
    }
  }

  /** Goes on with what was begun, or what the database refused. Waits for nothing. */
  resume(): void {
    for (const clientId of this.#work.unfinished()) {
      if (!this.#underWay.has(clientId)) void this.finish(clientId);
    }
  }

  /** After the portion under way nothing more is done: the store that is opened next goes on. */
  stop(): void {
    this.#isStopped = true;
  }
}
