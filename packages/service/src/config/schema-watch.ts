import { Type } from 'typebox';
import { sectionOfDefaults, whole } from './settings.ts';

/** Settings of what tells what the service does: the activity log behind the live stream, and the statistics. */
export const WATCH_SECTIONS = {
  activity: sectionOfDefaults({
    isKept: Type.Boolean({
      default: true,
      description: 'Keep what happens for the live stream; false: there is no stream, and nothing is written for it',
    }),
    keptMs: whole(3_600_000, 60_000, 604_800_000, 'How far back the live stream can be resumed'),
    subscribersMax: whole(50, 1, 1000, 'Readers of the live stream at this instance; beyond, they are answered 429'),
  }),
  statistics: sectionOfDefaults({
    writeMs: whole(
      5000,
      100,
      60_000,
      'How often an instance writes what it counted, and its last attempts; a crash loses no more than that',
    ),
    minutesKeptMs: whole(172_800_000, 3_600_000, 2_592_000_000, 'How long statistics by minute are kept'),
    hoursKeptMs: whole(34_560_000_000, 86_400_000, 315_360_000_000, 'How long statistics by hour are kept'),
  }),
};
