import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { TraceContext } from '../model/event.ts';
import type { Observer, Occurrence } from './observer.ts';

/**
 * Makes spans for the OpenTelemetry SDK that the process was started with (`NODE_OPTIONS=--import=…`); without one it does
 * nothing. Each publication of events with a trace context, and each attempt to deliver one of them, is a span under the span
 * that the publisher named, even days later and at another instance, because the context is stored with the notification.
 * Nothing of it is sent to TPPs.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
export function createTracing(tracer: Tracer = trace.getTracer('tidings')): Observer {
  return {
    record: (occurrence) => {
      if (occurrence.kind === 'attempted') traceAttempt(tracer, occurrence);
      if (occurrence.kind === 'published') tracePublication(tracer, occurrence);
    },
  };
}

function traceAttempt(tracer: Tracer, { record }: Occurrence & { kind: 'attempted' }): void {
  const { claimed, attempt } = record;
  const { traceContext, jti, clientId, attempts } = claimed;
  if (traceContext === undefined) return;
  const { startedAtMs, durationMs, outcome, interactionId } = attempt;
  const attributes = {
    'tidings.jti': jti,
    'tidings.client_id': clientId,
    'tidings.attempt': attempts + 1,
    'tidings.outcome': outcome.kind,
    'tidings.interaction_id': interactionId,
    ...(outcome.kind === 'unreachable'
      ? { 'error.type': outcome.errorClass }
      : { 'http.response.status_code': outcome.status }),
  };
  const options = { kind: SpanKind.CLIENT, startTime: startedAtMs, attributes };
  const span = tracer.startSpan('tidings deliver', options, contextOf(traceContext));
  if (outcome.kind !== 'acknowledged') span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(startedAtMs + durationMs);
}

/** One span for each trace to which events of the request belong, nearly always one. */
function tracePublication(
  tracer: Tracer,
  { events, result, atMs, durationMs }: Occurrence & { kind: 'published' },
): void {
  const traced = events.filter(({ traceContext }) => traceContext !== undefined);
  for (const [, group] of Map.groupBy(traced, ({ traceContext }) => traceContext?.traceparent)) {
    const traceContext = group[0]?.traceContext;
    if (traceContext === undefined) continue;
    const options = {
      kind: SpanKind.SERVER,
      startTime: atMs - durationMs,
      attributes: { 'tidings.events': group.length, 'tidings.outcome': result.kind },
    };
    const span: Span = tracer.startSpan('tidings publish', options, contextOf(traceContext));
    span.end(atMs);
  }
}

/** Parses a stored context, whose pattern was checked when it was published. */
function contextOf({ traceparent, tracestate }: TraceContext): Context {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  });
}
