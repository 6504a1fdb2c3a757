/** The label of all that have none of their own. */
export const OTHER = 'other';

/** Bounds the values of a label: the first so many keep their own, for as long as the process runs. */
export class BoundedLabels {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** @returns the value itself, or {@link OTHER} */
  labelOf(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max) return OTHER;
    this.#known.add(value);
    return value;
  }
}
