import {
  API_ERRORS,
  ApiError,
  type ApiErrorCode,
  type ApiVersion,
  errorBody,
  INTERACTION_ID_HEADER,
  SIGNATURE_HEADER,
} from '@tidings/protocol';
import { Type } from 'typebox';
import {
  type Example,
  type Header,
  headerRef,
  jsonOf,
  type Parameter,
  parameterRef,
  type Reference,
  type Response,
  type Responses,
  responseRef,
  schemaRef,
} from './model.ts';

const idInPath = (name: string): Parameter => ({
  ...{ name, in: 'path', required: true },
  description: 'Id from the response that created it',
  schema: { type: 'string', minLength: 1, maxLength: 40 },
});

const ignoredHeader = (name: string): Parameter => ({
  ...{ name, in: 'header' },
  description: 'Accepted, but ignored',
  schema: { type: 'string' },
});

/** Parameters of the TPP-facing operations, by name. */
export const PARAMETERS: Readonly<Record<string, Parameter>> = {
  EventSubscriptionId: idInPath('EventSubscriptionId'),
  CallbackUrlId: idInPath('CallbackUrlId'),
  [INTERACTION_ID_HEADER]: {
    ...{ name: INTERACTION_ID_HEADER, in: 'header' },
    description: 'UUID (RFC 4122) of this exchange, echoed in the response. Any other value is replaced',
    schema: { type: 'string' },
  },
  [SIGNATURE_HEADER]: {
    ...{ name: SIGNATURE_HEADER, in: 'header', required: true },
    description: 'Detached JWS over the exact bytes of the body, PS256',
    schema: { type: 'string' },
  },
  'x-fapi-auth-date': ignoredHeader('x-fapi-auth-date'),
  'x-fapi-customer-ip-address': ignoredHeader('x-fapi-customer-ip-address'),
  'x-customer-user-agent': ignoredHeader('x-customer-user-agent'),
};

/** Parameters of an operation, in addition to its body. */
export function parametersOf(options: { idName?: string; isSigned: boolean }): readonly Reference[] {
  return [
    ...(options.idName === undefined ? [] : [parameterRef(options.idName)]),
    parameterRef('x-fapi-auth-date'),
    parameterRef('x-fapi-customer-ip-address'),
    parameterRef(INTERACTION_ID_HEADER),
    ...(options.isSigned ? [parameterRef(SIGNATURE_HEADER)] : []),
    parameterRef('x-customer-user-agent'),
  ];
}

/** An interaction id for examples. */
const EXAMPLE_INTERACTION_ID = '93bac548-d2de-4546-b106-880a5018460d';

/** The code of an error in the vocabulary of an API version; undefined if the standard defines none. */
export function wireCode(code: ApiErrorCode, apiVersion: ApiVersion): string | undefined {
  return API_ERRORS[code][apiVersion === 'v4.0' ? 'v40' : 'v31'];
}

/** An error body as the API writes it. */
function errorExample(code: ApiErrorCode, apiVersion: ApiVersion): Example {
  const detail = EXAMPLE_DETAILS[code] ?? { message: 'An unexpected error occurred; try again later.' };
  const value = errorBody(new ApiError(code, detail), apiVersion, EXAMPLE_INTERACTION_ID);
  return { summary: wireCode(code, apiVersion) ?? code, value };
}

const ofSignature = (message: string) => ({ message, path: SIGNATURE_HEADER });

const EXAMPLE_DETAILS: Readonly<Partial<Record<ApiErrorCode, { message: string; path?: string }>>> = {
  ResourceInvalidFormat: { message: 'The body is not JSON.' },
  FieldMissing: { message: 'Data.Version is missing.', path: 'Data.Version' },
  FieldInvalid: { message: 'Data.Version must be digits and dots, such as 4.0.', path: 'Data.Version' },
  FieldUnexpected: { message: 'Data.CallbackUrl is not expected here.', path: 'Data.CallbackUrl' },
  UnsupportedEventType: { message: 'Data.EventTypes[0] is not supported here.', path: 'Data.EventTypes[0]' },
  SignatureMissing: ofSignature('The signature is missing.'),
  SignatureMalformed: ofSignature('The signature cannot be parsed.'),
  SignatureMissingClaim: ofSignature('A member of the JOSE header is missing.'),
  SignatureInvalidClaim: ofSignature('A member of the JOSE header is not valid.'),
  SignatureInvalid: ofSignature('The signature does not verify.'),
  ResourceNotFound: { message: 'There is no registration with this id.', path: 'EventSubscriptionId' },
  RulesResourceAlreadyExists: { message: 'One exists; change it with PUT, or delete it first.' },
};

const closed = { additionalProperties: false };
const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });

const id = Type.Optional(text(40, 'Reference of this error: the x-fapi-interaction-id of the exchange'));
const path = Type.Optional(text(500, 'JSON path of the field, such as Data.CallbackUrl, or name of the header'));
const url = Type.Optional(Type.String({ description: 'Page with more information' }));

/** Error body of v4.0 (`OBErrorResponse1`), as `errorBody` of the protocol writes it. */
export const ErrorResponseV40 = Type.Object(
  {
    Id: id,
    Errors: Type.Array(
      Type.Object(
        {
          ErrorCode: Type.String({ minLength: 4, maxLength: 4, description: 'Error code, such as U002' }),
          Message: Type.Optional(text(500, 'Description of the error')),
          Path: path,
          Url: url,
        },
        closed,
      ),
      { minItems: 1 },
    ),
  },
  closed,
);

/** Error body of v3.1 (`OBErrorResponse1` of v3), as `errorBody` of the protocol writes it. */
export const ErrorResponseV31 = Type.Object(
  {
    Code: text(40, 'Status and its name, such as 400 BadRequest'),
    Id: id,
    Message: text(500, 'Description of the error'),
    Errors: Type.Array(
      Type.Object(
        {
          ErrorCode: text(128, 'Error code, such as UK.OBIE.Field.Invalid'),
          Message: text(500, 'Description of the error'),
          Path: path,
          Url: url,
        },
        closed,
      ),
      { minItems: 1 },
    ),
  },
  closed,
);

const SIGNATURE_CODES = [
  'SignatureMissing',
  'SignatureMalformed',
  'SignatureMissingClaim',
  'SignatureInvalidClaim',
  'SignatureInvalid',
] as const satisfies readonly ApiErrorCode[];

/** Errors that are answered 400 if the body is signed. */
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
    description: 'The value of the request if it is a UUID (RFC 4122), otherwise a new UUID',
    required: true,
    schema: { type: 'string', format: 'uuid' },
  },
  [SIGNATURE_HEADER]: {
    description: 'Detached JWS over the exact bytes of the body, PS256, signed with a key of our JWKS',
    required: true,
    schema: { type: 'string' },
  },
  'retry-after': {
    description: 'Seconds to wait before a retry',
    required: true,
    schema: { type: 'integer', minimum: 0 },
  },
  'www-authenticate': { description: 'Bearer (RFC 6750)', schema: { type: 'string' } },
};

const bodiless = (description: string, ...headers: string[]): Response => ({
  description,
  headers: { ...interactionId, ...Object.fromEntries(headers.map((name) => [name, headerRef(name)])) },
});

/** Responses that every operation shares. */
export const SHARED_RESPONSES: Readonly<Record<string, Response>> = {
  Unauthorized: bodiless(
    'The access token is missing, expired, not bound to the certificate of the connection, or not from the client credentials grant. No body.',
    'www-authenticate',
  ),
  Forbidden: bodiless(
    'The token has none of the scopes, the client_id is not registered or is suspended, or the registration belongs to another TPP or was made through a newer API version. No body.',
  ),
  NotAcceptable: bodiless('The caller does not accept application/json. No body.'),
  UnsupportedMediaType: bodiless('The body is not application/json, with or without charset=utf-8. No body.'),
  TooManyRequests: bodiless('The TPP exceeded its rate limit. No body.', 'retry-after'),
  UnexpectedErrorV31: unexpectedError('v3.1'),
  UnexpectedErrorV40: unexpectedError('v4.0'),
};

/** The API version as a suffix of names: `V40`. */
export function versionSuffix(apiVersion: ApiVersion): string {
  return apiVersion.toUpperCase().replace('.', '');
}

/** Name of the schema of the error body. */
function errorSchemaOf(apiVersion: ApiVersion): string {
  return `OBErrorResponse1${versionSuffix(apiVersion)}`;
}

/** A response with a signed body. */
export function signed(description: string, schema: string, example: unknown): Response {
  const headers = { ...interactionId, [SIGNATURE_HEADER]: headerRef(SIGNATURE_HEADER) };
  return { description, headers, content: jsonOf(schema, example) };
}

/** A response with an unsigned body. */
export function unsigned(description: string, schema: string, example: unknown): Response {
  return { description, headers: interactionId, content: jsonOf(schema, example) };
}

/** 204. */
export const NO_CONTENT: Response = bodiless('Deleted. No body.');

/**
 * All error responses of an operation.
 *
 * @param codes errors with a body; their statuses come from the table of errors
 * @param bodyBytesMax largest body that is read, even if it is ignored; undefined if none is read
 */
export function refusals(
  apiVersion: ApiVersion,
  codes: readonly ApiErrorCode[],
  bodyBytesMax: number | undefined,
): Responses {
  const statuses = [...new Set(codes.map((code) => API_ERRORS[code].status))];
  const withBody = statuses.map((status) => {
    const ofStatus = codes.filter((code) => API_ERRORS[code].status === status);
    return [
      String(status),
      errorResponse(apiVersion, ofStatus, status === 409 ? 'A registration exists already' : 'Rejected'),
    ];
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
  return errorResponse(apiVersion, ['UnexpectedError'], 'An unexpected error occurred; try again later');
}

function errorResponse(apiVersion: ApiVersion, codes: readonly ApiErrorCode[], summary: string): Response {
  const names = codes.map((code) => wireCode(code, apiVersion));
  return {
    description: `${summary}: ${names.join(', ')}.`,
    headers: interactionId,
    content: {
      'application/json': {
        schema: schemaRef(errorSchemaOf(apiVersion)),
        examples: Object.fromEntries(codes.map((code) => [code, errorExample(code, apiVersion)])),
      },
    },
  };
}
