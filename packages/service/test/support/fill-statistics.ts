import type { Resolution, Tally } from '../../src/model/activity.ts';
import { BUCKET_MS, beginOf } from '../../src/telemetry/statistics.ts';
import { addCount, addLatency, emptyTally } from '../../src/telemetry/tally.ts';
import type { Filling } from './search-population.ts';

/** A row of statistics as it is written. */
export interface FilledStatistics {
  /** Empty: of all TPPs together. */
  readonly clientId: string;
  readonly resolution: Resolution;
  readonly beganAtMs: number;
  readonly part: string;
  readonly tally: Tally;
}

const DAY_MS = 86_400_000;
const MINUTES_OF_MS = 2 * DAY_MS;
const HOURS_OF_MS = 60 * DAY_MS;
const INSTANCES = ['one', 'two', 'three'];
const COUNTED = 40;

/** Two days by the minute and sixty by the hour, each in a part of three instances, and by the hour of each TPP in one. */
export function* statisticsOf({ clientIds, endsAtMs }: Filling): Generator<FilledStatistics> {
  for (const part of INSTANCES) {
    yield* rowsOf('', 'minute', endsAtMs, MINUTES_OF_MS, part);
    yield* rowsOf('', 'hour', endsAtMs, HOURS_OF_MS, part);
  }
  for (const clientId of clientIds) yield* rowsOf(clientId, 'hour', endsAtMs, HOURS_OF_MS, 'one');
}

function* rowsOf(
  clientId: string,
  resolution: Resolution,
  endsAtMs: number,
  spanMs: number,
  part: string,
): Generator<FilledStatistics> {
  const last = beginOf(resolution, endsAtMs);
  for (let beganAtMs = last - spanMs; beganAtMs <= last; beganAtMs += BUCKET_MS[resolution]) {
    yield { clientId, resolution, beganAtMs, part, tally: tallyOf(beganAtMs) };
  }
}

/** What a busy time looks like: acknowledged between milliseconds and minutes, some of it after failures. */
function tallyOf(beganAtMs: number): Tally {
  const tally = emptyTally();
  for (let at = 0; at < COUNTED; at += 1) {
    addCount(tally, 'accepted');
    addCount(tally, at % 10 === 0 ? 'attempts-refused-5xx' : 'attempts-acknowledged');
    addCount(tally, at % 4 === 0 ? 'acknowledged-poll' : 'acknowledged-push');
    addLatency(tally, 1.35 ** at + (beganAtMs % 7));
  }
  return tally;
}
