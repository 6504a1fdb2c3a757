import type { Operation, Parameter, PathItem, Responses } from '../openapi/model.ts';
import { jsonOf, parameterRef } from '../openapi/schemas.ts';
import type { OperationId } from './access.ts';
import { noContent, ok, operation } from './operations-common.ts';
import { TPPS_PER_PAGE, TPPS_PER_PAGE_MAX } from './tpp-schemas.ts';

/** The TPP that an operation is about. */
export const CLIENT_ID: Parameter = {
  ...{ name: 'clientId', in: 'path', required: true },
  description: 'client_id of the TPP',
  schema: { type: 'string', minLength: 1, maxLength: 128 },
};
const withClientId = [parameterRef('clientId')];

/** The operations of the TPP registry. */
export function tppPaths(): Record<string, PathItem> {
  const one = '/operator/v1/tpps/{clientId}';
  const about = { parameters: withClientId };
  const change = (id: OperationId, summary: string) =>
    ({ post: operation(id, 'TPPs', summary, { ...about, responses: ok('The TPP', 'RegisteredTpp') }, [404]) }) as const;
  return {
    '/operator/v1/tpps': {
      get: operation('listTpps', 'TPPs', 'TPPs in the order of their client_ids', listing(), [400]),
    },
    '/operator/v1/tpps/import': { post: importOperation() },
    [one]: {
      get: operation(
        'getTpp',
        'TPPs',
        'One TPP',
        { ...about, responses: tagged(ok('The TPP', 'RegisteredTpp')) },
        [404],
      ),
      put: operation('putTpp', 'TPPs', 'Add a TPP, or change it; one that is suspended stays so', putting(), [412]),
      delete: operation(
        'removeTpp',
        'TPPs',
        'Remove a TPP with its registrations; what is awaiting is withdrawn',
        { ...about, responses: noContent },
        [404],
      ),
    },
    [`${one}/suspend`]: change('suspendTpp', 'Suspend: 403 and no deliveries; its events are kept'),
    [`${one}/resume`]: change('resumeTpp', 'Take a suspension back; what is awaiting is due at once'),
    [`${one}/callback-url/bring-back`]: { post: bringBackOperation() },
    [`${one}/registrations`]: {
      get: operation(
        'getTppRegistrations',
        'TPPs',
        'What the TPP registered, and since when its callback URL is unresponsive',
        { ...about, responses: ok('Its registrations', 'TppRegistrations') },
        [404],
      ),
    },
  };
}

function tagged(responses: Responses): Responses {
  const headers = {
    etag: { description: 'Give it as If-Match when you change what you read', schema: { type: 'string' } },
  };
  return Object.fromEntries(Object.entries(responses).map(([status, response]) => [status, { ...response, headers }]));
}

function listing(): Pick<Operation, 'parameters' | 'responses'> {
  const limit = { type: 'integer', minimum: 1, maximum: TPPS_PER_PAGE_MAX, default: TPPS_PER_PAGE };
  return {
    parameters: [
      { name: 'after', in: 'query', description: '"next" of the page before', schema: { type: 'string' } },
      { name: 'limit', in: 'query', description: 'Most TPPs on the page', schema: limit },
    ],
    responses: ok('One page', 'TppPage'),
  };
}

function putting(): Pick<Operation, 'parameters' | 'requestBody' | 'responses'> {
  const header = (name: string, description: string) =>
    ({ name, in: 'header', description, schema: { type: 'string' } }) as const;
  return {
    parameters: [
      ...withClientId,
      header('if-match', 'ETag of what you read: 412 when it was changed since'),
      header('if-none-match', '*: 412 when the TPP is registered already'),
    ],
    requestBody: { required: true, content: jsonOf('TppToRegister', EXAMPLE_TPP) },
    responses: tagged({ 204: { description: 'Added or changed' } }),
  };
}

const EXAMPLE_TPP = {
  organisationId: '0015800001TDGTPPAX',
  softwareStatementId: 'TidingsSampleTpp000001',
  jwksUrl: 'https://keystore.directory.example/0015800001TDGTPPAX/TidingsSampleTpp000001.jwks',
  certificateSubject: 'CN=0015800001TDGTPPAX,O=Sample TPP Ltd,C=GB',
  scopes: ['accounts'],
  retry: { retriesMax: 10 },
};

function bringBackOperation(): Operation {
  return operation(
    'bringBackCallbackUrl',
    'TPPs',
    'Bring an unresponsive callback URL back; 409 when it is not unresponsive, or there is none',
    {
      parameters: withClientId,
      requestBody: { required: true, content: jsonOf('BringBack', { how: 'probe-now' }) },
      responses: ok('The TPP', 'RegisteredTpp'),
    },
    [404, 409],
  );
}

function importOperation(): Operation {
  const jwt = { schema: { type: 'string', description: 'The assertion alone' } };
  return operation(
    'importTpp',
    'TPPs',
    'Add or change a TPP by its software statement assertion: verified, ids and endpoints taken from it',
    {
      parameters: [
        {
          ...{ name: 'clientId', in: 'query' },
          description: 'With application/jwt: client_id at the authorisation server. Left out: the id of the software',
          schema: { type: 'string', minLength: 1, maxLength: 128 },
        },
      ],
      requestBody: { required: true, content: { ...jsonOf('StatementToImport'), 'application/jwt': jwt } },
      responses: ok('The TPP', 'RegisteredTpp'),
    },
    [400, 501],
  );
}
