import type { Operation, Parameter, PathItem } from '../openapi/model.ts';
import { jsonOf, parameterRef } from '../openapi/schemas.ts';
import { AUDIT_PER_PAGE, AUDIT_PER_PAGE_MAX } from './audit-page.ts';
import { ok, operation } from './operations-common.ts';

/** The notification that an operation is about. */
export const JTI: Parameter = {
  ...{ name: 'jti', in: 'path', required: true },
  description: 'As publishing answered it',
  schema: { type: 'string', minLength: 1, maxLength: 128 },
};
const withJti = [parameterRef('jti')];

/** The operations on notifications. */
export function notificationPaths(): Record<string, PathItem> {
  const one = '/operator/v1/notifications/{jti}';
  const shown = { parameters: withJti, responses: ok('The notification', 'ShownNotification') };
  const proven = { parameters: withJti, responses: ok('The evidence, to be kept as a file', 'Evidence') };
  return {
    [one]: {
      get: operation(
        'getNotification',
        'Notifications',
        'One notification: its state, claims, SET, attempts and reported errors',
        shown,
        [404],
      ),
    },
    [`${one}/evidence`]: {
      get: operation(
        'getEvidence',
        'Notifications',
        'Everything that the bank can show about one notification; 409 when it was never signed',
        proven,
        [404, 409],
      ),
    },
    '/operator/v1/redeliveries': { post: redeliverOperation() },
  };
}

const EXAMPLE_REDELIVERY = {
  clientId: 'tpp-1',
  publishedFrom: '2026-11-20T00:00:00Z',
  publishedBefore: '2026-11-21T00:00:00Z',
  only: 'failed',
  isDryRun: true,
};

function redeliverOperation(): Operation {
  return operation(
    'redeliver',
    'Notifications',
    'Send notifications again, under the same jti and with the same SET; withdrawn and expired ones never',
    {
      description:
        'Name the notifications, a TPP or a time; all that is given must hold. A large redelivery is answered part by part: ask again with "next" as "after" until there is none. One at a time: 429 while another is under way.',
      requestBody: { required: true, content: jsonOf('RedeliveryRequest', EXAMPLE_REDELIVERY) },
      responses: ok('What this part came to', 'RedeliveryAnswer'),
    },
    [400, 413, 415, 429],
  );
}

/** The operations that tell how the service fares, and who changed what. */
export function upkeepPaths(): Record<string, PathItem> {
  const limit = { type: 'integer', minimum: 1, maximum: AUDIT_PER_PAGE_MAX, default: AUDIT_PER_PAGE };
  const query = (name: string, description: string): Parameter => {
    return { name, in: 'query', description, schema: { type: 'string', minLength: 1, maxLength: 256 } };
  };
  const parameters: Parameter[] = [
    query('actor', 'Only what this one did'),
    query('action', 'Only this, such as tpp-changed'),
    query('subject', 'Only what was done to this, such as a client_id'),
    query('from', 'Only what was done at or after this time (ISO 8601)'),
    query('before', 'Only what was done before this time (ISO 8601); or "next" of the page before'),
    { name: 'limit', in: 'query', description: 'Most entries on the page', schema: limit },
  ];
  const audit = { parameters, responses: ok('One page, the newest first', 'AuditPage') };
  const status = { responses: ok('How it fares', 'Status') };
  const summary = 'What is awaiting, how many callback URLs are unresponsive, whether publishing is open';
  return {
    '/operator/v1/status': { get: operation('getStatus', 'Upkeep', summary, status) },
    '/operator/v1/audit': {
      get: operation('listAudit', 'Upkeep', 'What operators, and the service by itself, changed', audit, [400]),
    },
  };
}
