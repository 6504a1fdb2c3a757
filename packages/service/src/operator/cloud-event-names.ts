// Apart from the rest of CloudEvents, since the command line needs no more of it.

/** Media types of CloudEvents in the JSON format: one event, and a batch (structured mode of the HTTP binding). */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/** The source under which the id of a CloudEvent is the id of the event as it is. */
export const PLAIN_SOURCE = 'tidings:event';

/** Stands between source and id in the id of an event: no URI has it in it, so that they can be told apart again. */
export const SEPARATOR = '|';

/**
 * The id of the event that a CloudEvent is: `source|id`. Of two CloudEvents that differ in either no two have the same, for
 * a `source` is a URI reference and has no `|` in it. Checks neither.
 */
export function eventIdOf({ source, id }: { readonly source: string; readonly id: string }): string {
  return source === PLAIN_SOURCE ? id : `${source}${SEPARATOR}${id}`;
}
