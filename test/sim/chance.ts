import { seededRandom } from '../chaos/random.ts';

/** Choices that follow from a seed. */
export class Chance {
  readonly #random: ReturnType<typeof seededRandom>;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    // The first numbers of neighbouring seeds are alike.
    for (let skipped = 0; skipped < 5; skipped += 1) this.#random.fraction();
  }

  /** From 0 up to but without 1. */
  fraction(): number {
    return this.#random.fraction();
  }

  /** Both bounds are possible. */
  whole(min: number, max: number): number {
    return this.#random.whole(min, max);
  }

  between(min: number, max: number): number {
    return min + this.fraction() * (max - min);
  }

  happens(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.whole(0, from.length - 1)] ?? from[0];
  }

  pickFrom<T>(from: readonly T[]): T | undefined {
    return from[this.whole(0, from.length - 1)];
  }

  uuid(): string {
    const digits = (count: number) =>
      Math.floor(this.fraction() * 16 ** count)
        .toString(16)
        .padStart(count, '0');
    return `${digits(8)}-${digits(4)}-4${digits(3)}-a${digits(3)}-${digits(6)}${digits(6)}`;
  }
}
