/** Lets only so many pieces of work go on at once; the rest take their turns in the order in which they came. */
export class Turns {
  readonly #atOnceMax: number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#atOnceMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay += 1;
    try {
      return await work();
    } finally {
      // The place goes to the next one as it is.
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay -= 1;
      else next();
    }
  }
}
