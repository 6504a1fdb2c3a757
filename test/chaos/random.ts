/** A source of choices: from the same seed, the same ones. */
export interface SeededRandom {
  /** From 0 up to but without 1. */
  fraction(): number;
  /** A whole number, both ends included. */
  whole(min: number, max: number): number;
  /** One of them; undefined of none. */
  pick<T>(from: readonly T[]): T | undefined;
  /** The same ones in another order. */
  shuffled<T>(list: readonly T[]): T[];
}

/** A small seeded generator (mulberry32). Not for secrets. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const whole = (min: number, max: number) => min + Math.floor(fraction() * (max - min + 1));
  return {
    ...{ fraction, whole },
    pick: (from) => from[whole(0, from.length - 1)],
    shuffled: (list) =>
      list
        .map((item) => ({ item, at: fraction() }))
        .sort((left, right) => left.at - right.at)
        .map(({ item }) => item),
  };
}
