import type { Target } from '../store/store.ts';

/** How an unresponsive callback URL is looked after until it is sent everything again. */
export interface UnresponsiveSettings {
  /** Wait before the first probe; doubles with each that fails. */
  readonly probeDelayMs: number;
  readonly probeDelayMaxMs: number;
  /** Notifications a second that one which came back is sent at first. */
  readonly rampPerSecond: number;
  /** Time in which that rate doubles. */
  readonly rampDoublingMs: number;
  /** Time after which there is no such limit any more. */
  readonly rampMs: number;
}

/** The wait before the next probe. @param probes how many have failed so far */
export function probeDelayMs(settings: UnresponsiveSettings, probes: number): number {
  return Math.min(settings.probeDelayMs * 2 ** probes, settings.probeDelayMaxMs);
}

/** True while a callback URL that came back is sent less than it could take, so that it is not felled by its backlog. */
export function isRampingUp(target: Target, settings: UnresponsiveSettings, nowMs: number): boolean {
  // A clock that was set back must not hold a TPP down.
  const elapsedMs = target.backAtMs === undefined ? -1 : nowMs - target.backAtMs;
  return elapsedMs >= 0 && elapsedMs < settings.rampMs;
}

/**
 * How many more may be claimed for a target that is ramping up: the rate begins at `rampPerSecond` and doubles every
 * `rampDoublingMs`; this is its integral since the target came back, less what was claimed since.
 */
export function rampRoom(target: Target, settings: UnresponsiveSettings, nowMs: number): number {
  const doublings = (nowMs - (target.backAtMs ?? nowMs)) / settings.rampDoublingMs;
  const perMs = settings.rampPerSecond / 1000;
  const allowed = 1 + (perMs * settings.rampDoublingMs * (2 ** doublings - 1)) / Math.LN2;
  return Math.max(Math.floor(allowed) - target.claimedSinceBack, 0);
}
