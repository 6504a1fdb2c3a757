import type { PathItem, Response } from '../openapi/model.ts';
import { jsonOf, responseRef } from '../openapi/schemas.ts';
import { operation } from './operations-common.ts';

/** What load balancers and Prometheus ask for. */
export function healthPaths(): Record<string, PathItem> {
  const alive: Response = { description: 'The process runs', content: jsonOf('Liveness') };
  const ready: Response = { description: 'It can accept and deliver', content: jsonOf('Readiness') };
  const notReady: Response = { description: 'It cannot, and why', content: jsonOf('Readiness') };
  const text: Response = {
    description: 'In the text format of Prometheus, version 0.0.4',
    content: { 'text/plain': { schema: { type: 'string' } } },
  };
  const open = { tags: ['Health'], security: [] };
  return {
    '/livez': {
      get: { ...open, operationId: 'isAlive', summary: 'Whether the process runs', responses: { 200: alive } },
    },
    '/readyz': {
      get: {
        ...open,
        operationId: 'isReady',
        summary: 'Whether it can accept and deliver now; looked at once a second at most',
        responses: { 200: ready, 503: notReady, 500: responseRef('Problem500') },
      },
    },
    '/metrics': {
      get: operation('getMetrics', 'Health', 'Metrics of this instance', { responses: { 200: text } }, [404]),
    },
  };
}
