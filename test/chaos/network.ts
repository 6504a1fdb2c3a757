import { setTimeout as pause } from 'node:timers/promises';
import type { Door } from './door.ts';
import type { SeededRandom } from './random.ts';

const CALM_MIN_MS = 100;
const CALM_MAX_MS = 700;
const STALL_MAX_MS = 2500;
const SHUT_MAX_MS = 400;

/** Cuts, stalls and refuses connections through doors at random, until it is stopped. */
export function disturbNetwork(doors: readonly Door[], random: SeededRandom): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const done = (async () => {
    while (!stopping.signal.aborted) {
      await pause(random.whole(CALM_MIN_MS, CALM_MAX_MS), undefined, { signal: stopping.signal }).catch(
        () => undefined,
      );
      const door = random.pick(doors);
      if (door !== undefined) disturb(door, random);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

function disturb(door: Door, random: SeededRandom): void {
  const what = random.fraction();
  if (what < 0.5) door.cutOne(random.pick);
  else if (what < 0.65) door.cutAll();
  else if (what < 0.85) door.stall(random.whole(50, STALL_MAX_MS));
  else door.shut(random.whole(50, SHUT_MAX_MS));
}
