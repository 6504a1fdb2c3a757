/**
 * Memory beside the database changes with it: each change leaves here how to take it back, for a
 * transaction that is rolled back.
 */
export class UndoLog {
  readonly #steps: (() => void)[] = [];
  readonly #listeners: (() => void)[] = [];

  /** @param listener called after each rollback, for what is only a cache and is forgotten then */
  onRollBack(listener: () => void): void {
    this.#listeners.push(listener);
  }

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** Takes back everything that was changed, the newest first. */
  rollBack(): void {
    while (this.#steps.length > 0) this.#steps.pop()?.();
    for (const listener of this.#listeners) listener();
  }

  /** The changes are on disk. */
  clear(): void {
    this.#steps.length = 0;
  }
}
