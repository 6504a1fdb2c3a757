import { EventTypeCatalogue, POLL_BODY_BYTES_MAX } from '@tidings/protocol';
import { StartUpError } from '../base/start-up-error.ts';
import type { Config } from './schema.ts';

/** Largest body of a poll, for the listener and for what is published about it. Never below what the protocol promises. */
export function pollBodyBytesMax({ bodyBytesMax }: { readonly bodyBytesMax: number }): number {
  return Math.max(bodyBytesMax, POLL_BODY_BYTES_MAX);
}

// The longest callback URL, id, version and the punctuation.
const OTHER_MEMBERS_BYTES = 2560;

/**
 * Refuses a bound on bodies that a registration could not keep to: one that names every supported event type.
 *
 * @throws {StartUpError} that names the setting and the least value
 */
export function refuseSmallBodies({ api, ownEventTypes }: Config, source: string): void {
  const names = new EventTypeCatalogue(ownEventTypes).all.map(({ subscribeCode, urn }) => subscribeCode ?? urn);
  const bytes = OTHER_MEMBERS_BYTES + Buffer.byteLength(JSON.stringify(names));
  if (api.bodyBytesMax >= bytes) return;
  throw new StartUpError(
    `${source}: "api.bodyBytesMax" must be at least ${bytes}, or a registration for every event type would be answered 413.`,
  );
}
