/**
 * Runs tasks of the same key one after the other, in the order in which they came; those of different keys do not wait
 * for each other. It makes "read, decide, write" whole: the store serves one process, so nobody else writes between.
 */
export class OneAtATime {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @returns what the task returns; a task that fails does not keep the next from running */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const running = before.then(task);
    const settled: Promise<void> = running.then(
      () => this.#forget(key, settled),
      () => this.#forget(key, settled),
    );
    this.#last.set(key, settled);
    return running;
  }

  #forget(key: string, settled: Promise<unknown>): void {
    if (this.#last.get(key) === settled) this.#last.delete(key);
  }
}
