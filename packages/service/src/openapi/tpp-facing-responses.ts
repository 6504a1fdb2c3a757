import {
  API_ERRORS,
  type ApiErrorCode,
  type ApiVersion,
  INTERACTION_ID_HEADER,
  SIGNATURE_HEADER,
} from '@tidings/protocol';
import { errorExample, wireCode } from './error-examples.ts';
import type { Header, Response, Responses } from './model.ts';
import { headerRef, jsonOf, responseRef, schemaRef } from './schemas.ts';

const SIGNATURE_CODES = [
  'SignatureMissing',
  'SignatureMalformed',
  'SignatureMissingClaim',
  'SignatureInvalidClaim',
  'SignatureInvalid',
] as const satisfies readonly ApiErrorCode[];

/** Errors with 400 where a signed body is sent. */
export const SIGNED_BODY_CODES: readonly ApiErrorCode[] = [
  'ResourceInvalidFormat',
  'FieldMissing',
  'FieldInvalid',
  ...SIGNATURE_CODES,
];

const interactionId = { [INTERACTION_ID_HEADER]: headerRef(INTERACTION_ID_HEADER) };

/** Headers of responses. */
export const HEADERS: Readonly<Record<string, Header>> = {
  [INTERACTION_ID_HEADER]: {
    description: "The caller's if it is a UUID, else a fresh one (RFC 4122)",
    required: true,
    schema: { type: 'string', format: 'uuid' },
  },
  [SIGNATURE_HEADER]: {
    description: 'Detached JWS over the exact bytes of the body, PS256, by a key of our JWKS',
    required: true,
    schema: { type: 'string' },
  },
  'retry-after': { description: 'Seconds to wait', required: true, schema: { type: 'integer', minimum: 0 } },
  'www-authenticate': { description: 'Bearer (RFC 6750)', schema: { type: 'string' } },
};

const bodiless = (description: string, ...headers: string[]): Response => ({
  description,
  headers: { ...interactionId, ...Object.fromEntries(headers.map((name) => [name, headerRef(name)])) },
});

/** Responses that every operation shares. */
export const SHARED_RESPONSES: Readonly<Record<string, Response>> = {
  Unauthorized: bodiless(
    'No access token, or one that is expired, not bound to the certificate of the connection, or not of the client credentials grant. No body.',
    'www-authenticate',
  ),
  Forbidden: bodiless(
    'The token has none of the scopes; the client_id is not registered or is suspended; the registration is another TPP’s, or was made through a newer version. No body.',
  ),
  NotAcceptable: bodiless('The caller does not accept application/json. No body.'),
  UnsupportedMediaType: bodiless('The body is not application/json, with or without charset=utf-8. No body.'),
  TooManyRequests: bodiless('More requests than one TPP may make. No body.', 'retry-after'),
  UnexpectedErrorV31: unexpectedError('v3.1'),
  UnexpectedErrorV40: unexpectedError('v4.0'),
};

/** The version as it stands in names: `V40`. */
export function versionSuffix(apiVersion: ApiVersion): string {
  return apiVersion.toUpperCase().replace('.', '');
}

/** Name of the error body's schema. */
function errorSchemaOf(apiVersion: ApiVersion): string {
  return `OBErrorResponse1${versionSuffix(apiVersion)}`;
}

/** A response whose body is signed. */
export function signed(description: string, schema: string, example: unknown): Response {
  const headers = { ...interactionId, [SIGNATURE_HEADER]: headerRef(SIGNATURE_HEADER) };
  return { description, headers, content: jsonOf(schema, example) };
}

/** A response with a body that is not signed. */
export function unsigned(description: string, schema: string, example: unknown): Response {
  return { description, headers: interactionId, content: jsonOf(schema, example) };
}

/** 204. */
export const NO_CONTENT: Response = bodiless('Done. No body.');

/**
 * Every refusal of an operation.
 *
 * @param codes those that are answered with a body; their statuses come from the one table of errors
 * @param bodyBytesMax largest body that is read, if only to be ignored; undefined: none is read
 */
export function refusals(
  apiVersion: ApiVersion,
  codes: readonly ApiErrorCode[],
  bodyBytesMax: number | undefined,
): Responses {
  const statuses = [...new Set(codes.map((code) => API_ERRORS[code].status))];
  const withBody = statuses.map((status) => {
    const ofStatus = codes.filter((code) => API_ERRORS[code].status === status);
    return [String(status), errorResponse(apiVersion, ofStatus, status === 409 ? 'There is one already' : 'Refused')];
  });
  return {
    ...Object.fromEntries(withBody),
    401: responseRef('Unauthorized'),
    403: responseRef('Forbidden'),
    406: responseRef('NotAcceptable'),
    ...(bodyBytesMax !== undefined && {
      413: bodiless(`The body has more than ${bodyBytesMax} bytes. No body.`),
      415: responseRef('UnsupportedMediaType'),
    }),
    429: responseRef('TooManyRequests'),
    500: responseRef(`UnexpectedError${versionSuffix(apiVersion)}`),
  };
}

function unexpectedError(apiVersion: ApiVersion): Response {
  return errorResponse(apiVersion, ['UnexpectedError'], 'Something went wrong here; try again later');
}

function errorResponse(apiVersion: ApiVersion, codes: readonly ApiErrorCode[], what: string): Response {
  const names = codes.map((code) => wireCode(code, apiVersion));
  return {
    description: `${what}: ${names.join(', ')}.`,
    headers: interactionId,
    content: {
      'application/json': {
        schema: schemaRef(errorSchemaOf(apiVersion)),
        examples: Object.fromEntries(codes.map((code) => [code, errorExample(code, apiVersion)])),
      },
    },
  };
}
