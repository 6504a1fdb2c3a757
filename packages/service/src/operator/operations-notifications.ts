import type { Operation, Parameter, PathItem } from '../openapi/model.ts';
import { jsonOf, parameterRef } from '../openapi/schemas.ts';
import { ARCHIVABLE_PER_PAGE_MAX, AUDIT_PER_PAGE, AUDIT_PER_PAGE_MAX } from './audit.ts';
import { BACKUP_TYPE } from './backup.ts';
import { FOUND_PER_PAGE, FOUND_PER_PAGE_MAX, SEARCH_STATES } from './notifications.ts';
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
    '/operator/v1/notifications': { get: searchOperation() },
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
    '/operator/v1/withdrawals': { post: withdrawOperation() },
  };
}

function searchOperation(): Operation {
  const text = { type: 'string', minLength: 1, maxLength: 512 } as const;
  const by = (name: string, description: string, schema: object = text): Parameter => {
    return { name, in: 'query', description, schema: { ...schema } };
  };
  const limit = { type: 'integer', minimum: 1, maximum: FOUND_PER_PAGE_MAX, default: FOUND_PER_PAGE };
  const time = { type: 'string', format: 'date-time' };
  const parameters = [
    by('jti', 'The notification with this jti'),
    by('eventId', 'The one of this event'),
    by('transactionId', 'Those with this txn'),
    by('resourceId', 'Those about this resource'),
    by('clientId', 'Those of this TPP'),
    by('eventType', 'Those that have this event type, by URN or subscribe code'),
    by('state', 'failed: awaiting, with a failed attempt or a reported error', { type: 'string', enum: SEARCH_STATES }),
    by('publishedFrom', 'Those published at or after this time', time),
    by('publishedBefore', 'Those published before this time', time),
    by('after', '"next" of the page before; with the same filter'),
    by('limit', 'Most notifications on the page', limit),
  ];
  return operation(
    'searchNotifications',
    'Notifications',
    'Notifications by any combination of what is known of them, the newest first; all that is given must hold',
    { parameters, responses: ok('One page', 'NotificationPage') },
    [400],
  );
}

const EXAMPLE_WITHDRAWAL = { clientId: 'tpp-1', publishedBefore: '2026-11-21T00:00:00Z', isDryRun: true };

function withdrawOperation(): Operation {
  return operation(
    'withdraw',
    'Notifications',
    'Withdraw awaiting notifications: they are neither pushed nor offered any more',
    {
      description:
        'Name the notifications, a TPP or a time; all that is given must hold. What is being sent at this moment is left alone. A large withdrawal is answered part by part: ask again with "next" as "after" until there is none.',
      requestBody: { required: true, content: jsonOf('WithdrawalRequest', EXAMPLE_WITHDRAWAL) },
      responses: ok('What this part came to', 'WithdrawalAnswer'),
    },
    [400],
  );
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
    [400, 429],
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
    '/operator/v1/backups': { post: backUpOperation() },
    '/operator/v1/audit': {
      get: operation('listAudit', 'Upkeep', 'What operators, and the service by itself, changed', audit, [400]),
    },
    '/operator/v1/audit/archivable': { get: archivableOperation() },
    '/operator/v1/audit/drops': { post: dropAuditOperation() },
  };
}

function archivableOperation(): Operation {
  const query = (name: string, description: string, schema: object): Parameter => {
    return { name, in: 'query', description, schema: { ...schema } };
  };
  const parameters: Parameter[] = [
    {
      ...query('before', 'Those made before this time, 30 days back at least', { type: 'string', format: 'date-time' }),
      required: true,
    },
    query('after', '"next" of the page before; with the same "before"', { type: 'string', maxLength: 33 }),
    query('limit', 'Most entries on the page', {
      ...{ type: 'integer', minimum: 1, maximum: ARCHIVABLE_PER_PAGE_MAX, default: 100 },
    }),
  ];
  return operation(
    'listArchivableAudit',
    'Upkeep',
    'What TPPs changed themselves, the oldest first; what operators and the service changed stays for good',
    { parameters, responses: ok('One page', 'ArchivableAudit') },
    [400],
  );
}

function dropAuditOperation(): Operation {
  const sha256 = '0'.repeat(64);
  const example = { ids: ['17', '18'], before: '2025-10-21T00:00:00Z', sha256, archiveSha256: sha256 };
  return operation(
    'dropAudit',
    'Upkeep',
    'Drop entries of TPPs from the audit that were archived; all of them, or none',
    {
      description:
        'For "tidings audit archive". 409, and nothing is dropped, unless every entry is there, was made by a TPP before the time, and is exactly what was archived ("sha256").',
      requestBody: { required: true, content: jsonOf('AuditDropRequest', example) },
      responses: ok('They are dropped', 'AuditDropAnswer'),
    },
    [400, 409],
  );
}

function backUpOperation(): Operation {
  const schema = { type: 'string', contentMediaType: BACKUP_TYPE };
  return operation(
    'backUp',
    'Upkeep',
    'Copy the store while the service goes on; 501 where the store is a PostgreSQL database',
    {
      description:
        'The answer is the copy: a SQLite file, the store as it was at one moment. It is made beside the store first, so the disk needs room for it. One at a time: 429 while another is under way.',
      responses: { 200: { description: 'The copy', content: { [BACKUP_TYPE]: { schema } } } },
    },
    [429, 501],
  );
}
