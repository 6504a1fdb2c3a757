import type { TraceContext } from '../store/store.ts';

// Version 00 has 55 characters; a later one may have more.
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x20-\x7e]{0,200})?$/;
const TRACESTATE_CHARACTERS_MAX = 512;

/**
 * Reads the trace context of a publisher, from headers or from a CloudEvent. What cannot be made use of is left aside, and no
 * reason to refuse anything (W3C Trace Context, sections 3.2 and 3.3).
 */
export function readTraceContext(given: {
  readonly traceparent?: unknown;
  readonly tracestate?: unknown;
}): TraceContext | undefined {
  const { traceparent, tracestate } = given;
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined;
  const isStateKept =
    typeof tracestate === 'string' && tracestate !== '' && tracestate.length <= TRACESTATE_CHARACTERS_MAX;
  return { traceparent, ...(isStateKept && { tracestate }) };
}
