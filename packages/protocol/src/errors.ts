import { cutText } from './text.ts';
import type { ApiVersion } from './versions.ts';

/**
 * The errors of the TPP-facing API, one row each: the only mapping from an error to its response (rules, section 7).
 * `v40` and `v31` are the codes in the vocabulary of each version. Where the standard defines no code, the response has
 * no body, because a body without `Errors` is invalid.
 */
export const API_ERRORS = {
  ResourceInvalidFormat: { status: 400, v40: 'U010', v31: 'UK.OBIE.Resource.InvalidFormat' },
  FieldMissing: { status: 400, v40: 'U004', v31: 'UK.OBIE.Field.Missing' },
  FieldInvalid: { status: 400, v40: 'U002', v31: 'UK.OBIE.Field.Invalid' },
  FieldUnexpected: { status: 400, v40: 'U005', v31: 'UK.OBIE.Field.Unexpected' },
  UnsupportedEventType: { status: 400, v40: 'U024', v31: 'UK.OBIE.Unsupported.EventType' },
  HeaderInvalid: { status: 400, v40: 'U006', v31: 'UK.OBIE.Header.Invalid' },
  HeaderMissing: { status: 400, v40: 'U007', v31: 'UK.OBIE.Header.Missing' },
  SignatureMissing: { status: 400, v40: 'U019', v31: 'UK.OBIE.Signature.Missing' },
  SignatureMalformed: { status: 400, v40: 'U018', v31: 'UK.OBIE.Signature.Malformed' },
  SignatureMissingClaim: { status: 400, v40: 'U017', v31: 'UK.OBIE.Signature.MissingClaim' },
  SignatureInvalidClaim: { status: 400, v40: 'U016', v31: 'UK.OBIE.Signature.InvalidClaim' },
  SignatureInvalid: { status: 400, v40: 'U015', v31: 'UK.OBIE.Signature.Invalid' },
  ResourceNotFound: { status: 400, v40: 'U011', v31: 'UK.OBIE.Resource.NotFound' },
  RulesResourceAlreadyExists: { status: 409, v40: 'U029', v31: 'UK.OBIE.Rules.ResourceAlreadyExists' },
  UnexpectedError: { status: 500, v40: 'U000', v31: 'UK.OBIE.UnexpectedError' },
  TokenInvalid: { status: 401, v40: undefined, v31: undefined },
  Forbidden: { status: 403, v40: undefined, v31: undefined },
  PathUnknown: { status: 404, v40: undefined, v31: undefined },
  MethodNotAllowed: { status: 405, v40: undefined, v31: undefined },
  NotAcceptable: { status: 406, v40: undefined, v31: undefined },
  ContentTooLarge: { status: 413, v40: undefined, v31: undefined },
  UnsupportedMediaType: { status: 415, v40: undefined, v31: undefined },
  RateLimited: { status: 429, v40: undefined, v31: undefined },
} as const satisfies Record<string, ApiErrorRow>;

interface ApiErrorRow {
  readonly status: number;
  readonly v40: string | undefined;
  readonly v31: string | undefined;
}

/** The closed union of error codes of the TPP-facing API. */
export type ApiErrorCode = keyof typeof API_ERRORS;

/** Codes of the standard that are never sent: each header that the API reads has a code or status of its own. */
export const CODES_NEVER_SENT: readonly ApiErrorCode[] = ['HeaderInvalid', 'HeaderMissing'];

/** Details of an error, besides its code. `message` is sent to the TPP: it must never reveal internals. */
export interface ApiErrorDetail {
  readonly message: string;
  /** The field as a JSON path (`Data.CallbackUrl`), or the name of the header. */
  readonly path?: string;
  /** Address of further information for the TPP. */
  readonly url?: string;
}

/** A request that breaks a rule of the standard; `code` determines status and body (see {@link API_ERRORS}). */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  readonly detail: ApiErrorDetail;

  constructor(code: ApiErrorCode, detail: ApiErrorDetail) {
    super(detail.message);
    this.code = code;
    this.detail = detail;
  }
}

/** Error body of v4.0 (`OBErrorResponse1`). */
export interface ErrorBodyV40 {
  readonly Id?: string;
  readonly Errors: readonly { ErrorCode: string; Message?: string; Path?: string; Url?: string }[];
}

/** Error body of v3.1 (`OBErrorResponse1` of v3). */
export interface ErrorBodyV31 {
  readonly Code: string;
  readonly Id?: string;
  readonly Message: string;
  readonly Errors: readonly { ErrorCode: string; Message: string; Path?: string; Url?: string }[];
}

const MESSAGE_CHARS_MAX = 500;

/**
 * The body of an error response, in the vocabulary of the version that was called. Undefined where the standard defines
 * no code: the response then has no body.
 *
 * @param id reference of this occurrence: the interaction id, at most 40 characters
 */
export function errorBody(
  error: ApiError,
  apiVersion: ApiVersion,
  id: string,
): ErrorBodyV40 | ErrorBodyV31 | undefined {
  const row: ApiErrorRow = API_ERRORS[error.code];
  const code = apiVersion === 'v4.0' ? row.v40 : row.v31;
  if (code === undefined) return undefined;
  const message = cutText(error.detail.message, MESSAGE_CHARS_MAX);
  const entry = {
    ErrorCode: code,
    Message: message,
    ...(error.detail.path !== undefined && { Path: cutText(error.detail.path, MESSAGE_CHARS_MAX) }),
    ...(error.detail.url !== undefined && { Url: error.detail.url }),
  };
  if (apiVersion === 'v4.0') return { Id: id, Errors: [entry] };
  return { Code: `${row.status} ${REASON_PHRASES[row.status] ?? 'Error'}`, Id: id, Message: message, Errors: [entry] };
}

const REASON_PHRASES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  409: 'Conflict',
  500: 'InternalServerError',
};
