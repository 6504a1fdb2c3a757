import type { Parameter, PathItem } from '../openapi/model.ts';
import { schemaRef } from '../openapi/schemas.ts';
import { STREAM_KINDS } from '../watch/stream-position.ts';
import { ok, operation } from './operations-common.ts';
import { BUCKETS_MAX } from './statistics.ts';

const text = { type: 'string' };
const time = { type: 'string', format: 'date-time' };
const query = (name: string, description: string, schema: object): Parameter => {
  return { name, in: 'query', description, schema };
};

/** The operations that show what happens, and what has happened, in numbers. */
export function watchPaths(): Record<string, PathItem> {
  return {
    '/operator/v1/stream': { get: streamOperation() },
    '/operator/v1/statistics': { get: statisticsOperation() },
  };
}

const EXAMPLE_EVENT = `id: 4711-0
event: acknowledged
data: {"kind":"acknowledged","at":"2026-11-21T09:30:00.123Z","jti":"190364f8-4f9c-420e-b4d1-76a6b5317fab","clientId":"tpp-1","by":"push","afterMs":84}

`;

function streamOperation() {
  const parameters: Parameter[] = [
    query('clientId', 'Only what is of this TPP', text),
    query('kind', `Only of these kinds, separated by commas: ${STREAM_KINDS.join(', ')}`, text),
    query('after', 'id of the event to go on after; the header Last-Event-ID goes before it', text),
    query('since', 'Begin at this time; left out: now', time),
    {
      ...{ name: 'last-event-id', in: 'header', schema: text },
      description: 'id of the last event that was received, from whichever instance',
    },
  ];
  // A stream has no schema of its own in OpenAPI 3.1.
  const schema = { ...text, 'x-event-data': schemaRef('StreamedActivity') };
  const events = { schema, examples: { example: { value: EXAMPLE_EVENT } } };
  const description =
    'Server-sent events without end; the data of each is a StreamedActivity. A comment comes every 15 seconds when nothing happens.';
  const responses = { 200: { description, content: { 'text/event-stream': events } } };
  const summary = 'What happens, as it happens, in all instances; can be resumed at any of them';
  return operation('followStream', 'Watching', summary, { parameters, responses }, [400, 429, 501]);
}

function statisticsOperation() {
  const parameters: Parameter[] = [
    query('resolution', 'Left out: hour', { type: 'string', enum: ['minute', 'hour'] }),
    query('from', `At most ${BUCKETS_MAX} minutes or hours before the end. Left out: 60 minutes, or 24 hours`, time),
    query('before', 'Left out: now', time),
    query('clientId', 'Only what is of this TPP, by the hour', text),
  ];
  const responses = ok('Counts of all instances', 'StatisticsAnswer');
  const summary = 'Counts, outcomes and latencies over time; cheap enough to ask every few seconds';
  return operation('getStatistics', 'Watching', summary, { parameters, responses }, [400, 501]);
}
