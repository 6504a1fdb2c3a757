import type { CountedBucket, StoredActivity } from '../model/activity.ts';
import { entriesOf, type Row, tallyOf, text, whole } from './row.ts';

/** Stands for all TPPs together: no client_id is empty. */
export const ALL = '';

/** A row of the activity log as both databases give it. */
export function activityOf(row: Row): StoredActivity {
  return {
    id: whole(row, 'id'),
    atMs: whole(row, 'at_ms'),
    instance: text(row, 'instance'),
    entries: entriesOf(row),
  };
}

/** A row of the statistics as both databases give it. */
export function bucketOf(row: Row): CountedBucket {
  const clientId = text(row, 'client_id');
  return {
    resolution: text(row, 'resolution') === 'minute' ? 'minute' : 'hour',
    beganAtMs: whole(row, 'began_at_ms'),
    clientId: clientId === ALL ? undefined : clientId,
    part: text(row, 'part'),
    tally: tallyOf(row),
  };
}
