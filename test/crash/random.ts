/** A small seeded generator (mulberry32): the same seed gives the same choices. Not for secrets. */
export function seededRandom(seed: number): { fraction(): number; whole(min: number, max: number): number } {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { fraction, whole: (min, max) => min + Math.floor(fraction() * (max - min + 1)) };
}
