import type { OpenApiDocument, PathItem } from '../openapi/model.ts';
import { described, responseRef, schemaRef } from '../openapi/schemas.ts';
import type { OperationId } from './access.ts';
import { ArchivableAudit, AuditDropAnswer, AuditDropRequest, AuditPage } from './audit.ts';
import { RedeliveryAnswer, RedeliveryRequest, WithdrawalAnswer, WithdrawalRequest } from './bulk.ts';
import { CallbackUrlHealth, CallbackUrlPage } from './callback-urls.ts';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE, CloudEvent, CloudEventBatch } from './cloud-events.ts';
import { PublishAnswer, PublishBatch, PublishedEvent } from './events.ts';
import { Evidence } from './evidence.ts';
import { NotificationPage, ShownNotification } from './notifications.ts';
import { ok, operation, problemResponses } from './operations-common.ts';
import { healthPaths } from './operations-health.ts';
import { KID, signingKeyPaths } from './operations-keys.ts';
import { JTI, notificationPaths, upkeepPaths } from './operations-notifications.ts';
import { registrationPaths } from './operations-registrations.ts';
import { CLIENT_ID, tppPaths } from './operations-tpps.ts';
import { watchPaths } from './operations-watch.ts';
import { ProblemDetails } from './problem.ts';
import { RegistrationPage } from './registrations.ts';
import { KeyChange, ReloadedKey, ShownSigningKey, SigningKeyList } from './signing-keys.ts';
import { StatisticsAnswer } from './statistics.ts';
import { Liveness, Readiness, Status } from './status.ts';
import { StreamedActivity } from './stream.ts';
import * as tpps from './tpp-schemas.ts';

/** The OpenAPI document of the operator API, from the schemas that it validates with. @param url of the listener */
export function operatorDocument(url: string): OpenApiDocument {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Operator API: publish events, register TPPs, look at notifications and send them again',
      version: '1',
      description:
        "For the bank's own systems and staff. What is refused is told as problem details (RFC 9457): detail says what is wrong and what to do, field names the field.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url, description: 'The operator listener' }],
    tags: [
      { name: 'Events', description: 'What happened at the bank.' },
      { name: 'TPPs', description: 'Who may call the TPP-facing API.' },
      { name: 'Notifications', description: 'What became of an event.' },
      { name: 'Upkeep', description: 'How the service fares, and who changed what.' },
      { name: 'Signing keys', description: 'Our own keys.' },
      { name: 'Health', description: 'For load balancers and for Prometheus.' },
      { name: 'Watching', description: 'What happens, live and in numbers.' },
      { name: 'Documents', description: 'These documents. They hold no secret and need no token.' },
    ],
    paths: withRefusalsOfAny({
      ...eventPaths(),
      ...tppPaths(),
      ...notificationPaths(),
      ...upkeepPaths(),
      ...registrationPaths(),
      ...signingKeyPaths(),
      ...healthPaths(),
      ...watchPaths(),
      ...documentPaths(),
    }),
    components: {
      schemas: schemas(),
      headers: {},
      parameters: { clientId: CLIENT_ID, jti: JTI, kid: KID },
      responses: problemResponses(),
      securitySchemes: {
        operatorToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'One of "operator.tokens" of the configuration, or an access token of the identity provider ("operator.oidc")',
        },
      },
    },
  };
}

/** Of a parameter in the path any text is refused that no store can hold; a body is read where none is needed, too. */
function withRefusalsOfAny(paths: Readonly<Record<string, PathItem>>): Record<string, PathItem> {
  const entries = Object.entries(paths).map(([path, item]) => {
    const operations = Object.entries(item).map(([method, operation]) => {
      const statuses = [...(path.includes('{') ? [400] : []), ...(method === 'get' ? [] : [413, 415])];
      const refusals = Object.fromEntries(statuses.map((status) => [status, responseRef(`Problem${status}`)]));
      return [method, { ...operation, responses: { ...refusals, ...operation.responses } }];
    });
    return [path, Object.fromEntries(operations)];
  });
  return Object.fromEntries(entries);
}

function schemas(): Record<string, object> {
  return {
    PublishedEvent: described(PublishedEvent, {}),
    PublishBatch: { ...described(PublishBatch, {}), items: schemaRef('PublishedEvent') },
    CloudEvent: described(CloudEvent, {}),
    CloudEventBatch: { ...described(CloudEventBatch, {}), items: schemaRef('CloudEvent') },
    PublishAnswer: described(PublishAnswer, {}),
    TppToRegister: described(tpps.TppToRegister, {}),
    RegisteredTpp: described(tpps.RegisteredTpp, {}),
    TppPage: described(tpps.TppPage, {}),
    StatementToImport: described(tpps.StatementToImport, {}),
    TppRegistrations: described(tpps.TppRegistrations, {}),
    BringBack: described(tpps.BringBack, {}),
    ShownNotification: described(ShownNotification, {}),
    Evidence: described(Evidence, {}),
    NotificationPage: described(NotificationPage, {}),
    RedeliveryRequest: described(RedeliveryRequest, {}),
    RedeliveryAnswer: described(RedeliveryAnswer, {}),
    WithdrawalRequest: described(WithdrawalRequest, {}),
    WithdrawalAnswer: described(WithdrawalAnswer, {}),
    Status: described(Status, {}),
    AuditPage: described(AuditPage, {}),
    ArchivableAudit: described(ArchivableAudit, {}),
    AuditDropRequest: described(AuditDropRequest, {}),
    AuditDropAnswer: described(AuditDropAnswer, {}),
    RegistrationPage: described(RegistrationPage, {}),
    CallbackUrlHealth: described(CallbackUrlHealth, {}),
    CallbackUrlPage: described(CallbackUrlPage, {}),
    ShownSigningKey: described(ShownSigningKey, {}),
    SigningKeyList: described(SigningKeyList, {}),
    KeyChange: described(KeyChange, {}),
    ReloadedKey: described(ReloadedKey, {}),
    Liveness: described(Liveness, {}),
    Readiness: described(Readiness, {}),
    StatisticsAnswer: described(StatisticsAnswer, {}),
    StreamedActivity: described(StreamedActivity, {}),
    ProblemDetails: described(ProblemDetails, {}),
  };
}

function eventPaths(): Record<string, PathItem> {
  const body = { oneOf: [schemaRef('PublishedEvent'), schemaRef('PublishBatch')] };
  const post = operation(
    'publishEvents',
    'Events',
    'Publish one event, or a batch; all or nothing, and answered after the commit',
    {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: body, examples: { one: { value: EXAMPLE_EVENT } } },
          [CLOUD_EVENT_TYPE]: {
            schema: schemaRef('CloudEvent'),
            examples: { one: { value: EXAMPLE_CLOUD_EVENT } },
          },
          [CLOUD_EVENT_BATCH_TYPE]: {
            schema: schemaRef('CloudEventBatch'),
            examples: { one: { value: [EXAMPLE_CLOUD_EVENT] } },
          },
        },
      },
      responses: ok('Committed: one outcome for each event, in their order', 'PublishAnswer'),
    },
    [400, 409, 429],
  );
  return { '/operator/v1/events': { post } };
}

const EXAMPLE_EVENT = {
  id: 'evt-1',
  clientId: 'tpp-1',
  occurredAt: '2026-11-21T09:30:00Z',
  resource: {
    ...{ id: 'aac-1', type: 'account-access-consent', version: '4.0' },
    uri: 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1',
    links: [{ version: 'v4.0', link: 'https://bank.example/open-banking/v4.0/aisp/account-access-consents/aac-1' }],
  },
  events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
};

const EXAMPLE_CLOUD_EVENT = {
  specversion: '1.0',
  source: '/core/consents',
  id: 'evt-1',
  type: 'UK.OBIE.Consent-Authorization-Revoked',
  time: EXAMPLE_EVENT.occurredAt,
  subject: EXAMPLE_EVENT.resource.id,
  data: { clientId: EXAMPLE_EVENT.clientId, resource: EXAMPLE_EVENT.resource },
};

function documentPaths(): Record<string, PathItem> {
  const document = (operationId: OperationId, summary: string, type: string): PathItem => {
    const schema = type === 'text/html' ? { type: 'string' } : { type: 'object' };
    const responses = { 200: { description: summary, content: { [type]: { schema } } } };
    return { get: { operationId, tags: ['Documents'], summary, responses, security: [] } };
  };
  return {
    '/operator/v1/openapi/': document('showDocuments', 'A page that shows the documents', 'text/html'),
    '/operator/v1/openapi/tpp-facing.json': document('getTppFacingDocument', 'The TPP-facing API', 'application/json'),
    '/operator/v1/openapi/operator.json': document('getOperatorDocument', 'This document', 'application/json'),
  };
}
