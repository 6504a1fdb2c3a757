/** A map of limited size that drops the least recently used entry. */
export class LruMap<Key, Value extends object> {
  readonly #entries = new Map<Key, Value>();
  readonly #sizeMax: number;
  readonly #onDropped: (value: Value) => void;

  /** @param onDropped called with each value that is dropped for want of room */
  constructor(sizeMax: number, onDropped: (value: Value) => void = () => undefined) {
    this.#sizeMax = sizeMax;
    this.#onDropped = onDropped;
  }

  values(): Value[] {
    return [...this.#entries.values()];
  }

  entries(): [Key, Value][] {
    return [...this.#entries];
  }

  /** Counts as a use. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#putLast(key, value);
    return value;
  }

  clear(): void {
    this.#entries.clear();
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  set(key: Key, value: Value): void {
    this.#putLast(key, value);
    const oldest = this.#entries.entries().next();
    if (this.#entries.size <= this.#sizeMax || oldest.done) return;
    const [oldestKey, dropped] = oldest.value;
    this.#entries.delete(oldestKey);
    this.#onDropped(dropped);
  }

  /** A Map keeps the order of insertion, so the first entry is the least recently used. */
  #putLast(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
  }
}
