import { BEHAVIOURS, type Behaviour } from './behaviour.ts';
import type { Chance } from './chance.ts';
import type { Weather } from './faulty-store.ts';
import type { Settings } from './settings.ts';

/** Something that happens to the world. */
export type Action = { readonly atMs: number } & (
  | { readonly kind: 'publish'; readonly events: readonly { readonly id: string; readonly clientId: string }[] }
  | { readonly kind: 'behave'; readonly clientId: string; readonly behaviour: Behaviour; readonly forMs: number }
  | { readonly kind: 'crash'; readonly instance: number; readonly forMs: number }
  | { readonly kind: 'restart'; readonly instance: number; readonly graceMs: number }
  | { readonly kind: 'jump'; readonly instance: number; readonly byMs: number }
  /** @see Weather; `instance` undefined: for all */
  | {
      readonly kind: 'weather';
      readonly instance: number | undefined;
      readonly weather: Weather;
      readonly forMs: number;
    }
  | { readonly kind: 'suspend'; readonly clientId: string; readonly forMs: number }
  | { readonly kind: 'move'; readonly clientId: string; readonly isOther: boolean }
  | { readonly kind: 'remove'; readonly clientId: string; readonly forMs: number }
  | { readonly kind: 'poll'; readonly clientId: string }
  | { readonly kind: 'redeliver'; readonly clientId: string; readonly only: 'awaiting' | undefined }
  | { readonly kind: 'recover'; readonly clientId: string; readonly how: 'responsive' | 'probe-now' }
);

const WEATHERS: readonly [Weather, ...Weather[]] = [
  { refused: 1, stalled: 0, lost: 0 },
  { refused: 0.3, stalled: 0, lost: 0 },
  { refused: 0, stalled: 0.5, lost: 0 },
  { refused: 0, stalled: 0.9, lost: 0 },
  { refused: 0, stalled: 0, lost: 0.5 },
  { refused: 0.2, stalled: 0.2, lost: 0.2 },
];

/** TPPs by number; the first are the steady ones. */
export function clientIdOf(at: number): string {
  return `tpp-${at}`;
}

/** Writes down all that will happen. */
export function drawScript(settings: Settings, chance: Chance): readonly Action[] {
  const script: Action[] = [];
  let events = 0;
  let atMs = 0;
  for (let batch = 0; batch < settings.batches; batch += 1) {
    const size = chance.pick([1, 1, 2, 3, 5, 12]);
    const published = Array.from({ length: size }, () => {
      events += 1;
      return { id: `e${events}`, clientId: clientIdOf(chance.whole(0, settings.tpps - 1)) };
    });
    // Some come at the same time as the one before.
    if (!chance.happens(0.3)) atMs = chance.between(0, settings.chaosMs);
    script.push({ kind: 'publish', atMs: atMs + chance.between(0, 3), events: published });
  }
  for (let fault = 0; fault < settings.faults; fault += 1) script.push(drawFault(settings, chance));
  return script.sort((left, right) => left.atMs - right.atMs);
}

function drawFault(settings: Settings, chance: Chance): Action {
  const atMs = chance.between(0, settings.chaosMs * 0.9);
  const forMs = chance.between(0, settings.chaosMs / 2);
  const instance = chance.whole(0, settings.instances - 1);
  const clientId = clientIdOf(chance.whole(settings.steady, settings.tpps - 1));
  if (settings.isWavering && chance.happens(0.6)) return waver(settings, chance, { atMs, clientId });
  const drawn = settings.isCalm ? 0 : chance.fraction();
  if (drawn < 0.35) return { kind: 'behave', atMs, clientId, behaviour: chance.pick(BEHAVIOURS), forMs };
  if (drawn < 0.55) return { kind: 'weather', atMs, ...drawWeather(instance, chance), forMs: forMs / 2 };
  if (drawn < 0.63) return { kind: 'crash', atMs, instance, forMs: forMs / 4 };
  if (drawn < 0.68) return { kind: 'restart', atMs, instance, graceMs: chance.pick([0, 300, 10_000]) };
  if (drawn < 0.73) return jump(settings, chance, { atMs, instance });
  if (drawn < 0.78) return { kind: 'suspend', atMs, clientId, forMs };
  if (drawn < 0.84) return { kind: 'move', atMs, clientId, isOther: chance.happens(0.7) };
  if (drawn < 0.86) return { kind: 'remove', atMs, clientId, forMs: forMs / 4 };
  if (drawn < 0.93) return { kind: 'poll', atMs, clientId };
  if (drawn < 0.96) return { kind: 'redeliver', atMs, clientId, only: chance.happens(0.5) ? 'awaiting' : undefined };
  return { kind: 'recover', atMs, clientId, how: chance.pick(['responsive', 'probe-now'] as const) };
}

/** Long, and with an operator who does not believe it. */
function waver({ chaosMs }: Settings, chance: Chance, at: { atMs: number; clientId: string }): Action {
  if (chance.happens(0.3)) return { kind: 'recover', ...at, how: 'responsive' };
  return { kind: 'behave', ...at, atMs: at.atMs / 4, behaviour: 'wavering', forMs: chaosMs };
}

function drawWeather(instance: number, chance: Chance): { instance: number | undefined; weather: Weather } {
  return { instance: chance.happens(0.5) ? instance : undefined, weather: chance.pick(WEATHERS) };
}

function jump(settings: Settings, chance: Chance, at: { atMs: number; instance: number }): Action {
  const isOn = settings.clocks === 'jumping';
  return { kind: 'jump', ...at, byMs: isOn ? chance.pick([-1, 1]) * chance.pick([200, 5000, 120_000, 600_000]) : 0 };
}
