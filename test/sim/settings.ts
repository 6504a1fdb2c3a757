import type { EngineOptions } from '../../packages/service/test/support/parts.ts';
import type { Chance } from './chance.ts';

type Limits = Pick<EngineOptions, 'concurrencyMax' | 'concurrencyPerTppMax' | 'queueMax' | 'queuePerTppMax'>;

/** What kind of world a seed makes. All of it is known to the oracle; the engine is given its part as options. */
export interface Settings extends Limits, Pick<EngineOptions, 'policy' | 'breaker' | 'unresponsive'> {
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly pollMs: number | undefined;
  readonly instances: number;
  readonly tpps: number;
  /** Of these, how many always answer at once and are left in peace: nothing may make them wait. */
  readonly steady: number;
  /** Limits so wide that no TPP can take another's place. */
  readonly isRoomy: boolean;
  /** `true`: all instances have the true time. `off`: each is off by a little. `jumping`: set forward and back. */
  readonly clocks: 'true' | 'off' | 'jumping';
  /** False: an instance learns of what another changed only by looking, as behind a transaction pooler. */
  readonly isNotified: boolean;
  /** Only receivers are at fault. */
  readonly isCalm: boolean;
  /** Callback URLs turn unresponsive and recover while attempts and probes of earlier rounds are still under way. */
  readonly isWavering: boolean;
  /** How long faults go on; then all is well again. */
  readonly chaosMs: number;
  /** Faults of the script. */
  readonly faults: number;
  readonly batches: number;
}

/** Draws a world. */
export function drawSettings(chance: Chance): Settings {
  const isCalm = chance.happens(0.2);
  const isWavering = !isCalm && chance.happens(0.15);
  const isRoomy = isCalm || chance.happens(isWavering ? 0.7 : 0.3);
  const tpps = chance.whole(2, isWavering ? 3 : 6);
  const instances = chance.pick([1, 1, 1, 2, 2, 3]);
  const timeoutMs = isRoomy ? chance.whole(3000, 5000) : chance.whole(500, 5000);
  return {
    ...(isRoomy ? wide(chance) : narrow(chance)),
    ...{ isCalm, isWavering, isRoomy, tpps, instances, timeoutMs },
    steady: chance.whole(isCalm ? 1 : 0, isWavering ? 0 : Math.min(2, tpps - 1)),
    policy: {
      delayMs: chance.pick([200, 1000, 3000]),
      delayMaxMs: chance.pick([3000, 20_000, 60_000]),
      retriesMax: chance.whole(0, 8),
      intervalMaxMs: chance.pick([30_000, 120_000, 3_600_000]),
      jitter: chance.pick([0, 0.2, 1]),
    },
    breaker: {
      attemptsMin: isWavering ? 1000 : chance.pick([1, 3, 3, 10, 1000]),
      failureShare: chance.pick([0.5, 0.9]),
      pauseMs: chance.pick([500, 2000]),
      pauseMaxMs: chance.pick([4000, 20_000]),
    },
    unresponsive: {
      probeDelayMs: isWavering ? 200 : chance.pick([1000, 5000, 20_000]),
      probeDelayMaxMs: chance.pick([20_000, 60_000]),
      rampPerSecond: chance.pick([1, 5, 50]),
      rampDoublingMs: chance.pick([1000, 5000]),
      rampMs: chance.pick([0, 10_000, 60_000]),
    },
    leaseMs: timeoutMs + chance.pick([500, 500, 2000, 10_000]),
    pollMs: instances === 1 ? undefined : chance.pick([1000, 5000, 20_000]),
    clocks: isCalm ? 'true' : chance.pick(['true', 'true', 'true', 'off', 'jumping'] as const),
    isNotified: chance.happens(0.8),
    chaosMs: chance.pick([20_000, 60_000, 180_000]),
    faults: isCalm || isWavering ? chance.whole(3, 14) : chance.whole(0, 14),
    batches: isCalm || isWavering ? chance.whole(15, 30) : chance.whole(3, 30),
  };
}

function wide(chance: Chance): Limits {
  const concurrencyPerTppMax = chance.whole(1, 8);
  return {
    concurrencyMax: 256,
    concurrencyPerTppMax,
    queueMax: 512,
    queuePerTppMax: chance.whole(4, 64),
  };
}

function narrow(chance: Chance): Limits {
  return {
    concurrencyMax: chance.whole(1, 8),
    concurrencyPerTppMax: chance.whole(1, 4),
    queueMax: chance.whole(1, 12),
    queuePerTppMax: chance.whole(1, 6),
  };
}
