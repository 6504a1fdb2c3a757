/** A map of bounded size: the entry that was not used for the longest time gives way. */
export class LruMap<Key, Value extends object> {
  readonly #entries = new Map<Key, Value>();
  readonly #sizeMax: number;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** Counts as a use. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#putLast(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.#putLast(key, value);
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > this.#sizeMax && !oldest.done) this.#entries.delete(oldest.value);
  }

  /** A Map keeps the order of insertion, so the first entry is the one that was used least recently. */
  #putLast(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
  }
}
