import {
  API_ERRORS,
  ApiError,
  type ApiErrorCode,
  type ApiVersion,
  errorBody,
  SIGNATURE_HEADER,
} from '@tidings/protocol';
import type { Example } from './model.ts';

/** An interaction id for examples. */
const EXAMPLE_INTERACTION_ID = '93bac548-d2de-4546-b106-880a5018460d';

/** The code of an error in the vocabulary of a version; undefined where the standard defines none. */
export function wireCode(code: ApiErrorCode, apiVersion: ApiVersion): string | undefined {
  return API_ERRORS[code][apiVersion === 'v4.0' ? 'v40' : 'v31'];
}

/** An error body as the API would write it. */
export function errorExample(code: ApiErrorCode, apiVersion: ApiVersion): Example {
  const detail = EXAMPLE_DETAILS[code] ?? { message: 'Something went wrong here; try again later.' };
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
