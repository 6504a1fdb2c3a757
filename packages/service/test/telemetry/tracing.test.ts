import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { SpanStatusCode } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { AttemptRecord } from '../../src/store/delivery.ts';
import { createTracing } from '../../src/telemetry/tracing.ts';
import { bankEvent } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';

// Spans as an OpenTelemetry SDK gets them.

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracing = createTracing(provider.getTracer('test'));
beforeEach(() => exporter.reset());

const TRACE_ID = 'a'.repeat(32);
const SPAN_ID = 'b'.repeat(16);
const traceContext = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01`, tracestate: 'bank=1' };

function attempted(outcome: AttemptRecord['attempt']['outcome'], isTraced = true): void {
  const claimed = { jti: 'jti-1', clientId: 'a', attempts: 2, traceContext: isTraced ? traceContext : undefined };
  const attempt = {
    startedAtMs: START_MS,
    durationMs: 25,
    interactionId: 'i-1',
    callbackUrl: 'https://a.example',
    outcome,
  };
  const record = { claimed, attempt, next: { kind: 'acknowledged' } } as unknown as AttemptRecord;
  tracing.record({ kind: 'attempted', atMs: START_MS, record, result: 'applied' });
}

test('an attempt is a span under the one that the publisher named, with its own beginning and end', () => {
  attempted({ kind: 'acknowledged', status: 202, interactionIdEchoed: true });
  const [span, ...others] = exporter.getFinishedSpans();
  assert.ok(span !== undefined && others.length === 0);
  assert.deepEqual([span.spanContext().traceId, span.parentSpanContext?.spanId], [TRACE_ID, SPAN_ID]);
  assert.equal(span.parentSpanContext?.traceState?.get('bank'), '1');
  assert.deepEqual(span.startTime, [START_MS / 1000, 0]);
  assert.deepEqual(span.duration, [0, 25_000_000]);
  assert.equal(span.attributes['tidings.attempt'], 3);
  assert.equal(span.attributes['http.response.status_code'], 202);
  assert.equal(span.status.code, SpanStatusCode.UNSET);
  assert.ok(!JSON.stringify(span.attributes).includes('a.example'), 'callback URLs are not told');
});

test('an attempt that failed is an error, with its class', () => {
  attempted({ kind: 'unreachable', errorClass: 'timeout', detail: 'secret host' });
  attempted({ kind: 'refused', status: 503 });
  const [unreachable, refused] = exporter.getFinishedSpans();
  assert.deepEqual(
    [unreachable?.attributes['error.type'], refused?.attributes['http.response.status_code']],
    ['timeout', 503],
  );
  for (const span of [unreachable, refused]) assert.equal(span?.status.code, SpanStatusCode.ERROR);
  assert.ok(!JSON.stringify(unreachable?.attributes).includes('secret host'));
});

test('publishing is one span for each trace of its events; what has no trace makes none', () => {
  const event = (id: string, parent: string | undefined) =>
    bankEvent('a', id, parent === undefined ? {} : { traceContext: { traceparent: `00-${TRACE_ID}-${parent}-01` } });
  const events = [event('e1', SPAN_ID), event('e2', SPAN_ID), event('e3', 'c'.repeat(16)), event('e4', undefined)];
  const result = { kind: 'published', outcomes: [], claimed: [] } as const;
  tracing.record({ kind: 'published', atMs: START_MS, events, result, durationMs: 10 });
  const spans = exporter
    .getFinishedSpans()
    .map(({ parentSpanContext, attributes }) => [parentSpanContext?.spanId, attributes['tidings.events']]);
  assert.deepEqual(spans, [
    [SPAN_ID, 2],
    ['c'.repeat(16), 1],
  ]);
  attempted({ kind: 'refused', status: 500 }, false);
  assert.equal(exporter.getFinishedSpans().length, 2);
});
