import {
  ApiError,
  type JoseHeader,
  JwksError,
  JwsError,
  SIGNATURE_HEADER,
  SIGNATURE_TYPES,
  verifyDetached,
} from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Tpp } from '../store/store.ts';
import type { TppKeys } from '../trust/tpp-keys.ts';

/** What signatures of TPPs are checked with. */
export interface SignatureContext {
  readonly tppKeys: TppKeys;
  readonly trustAnchorsAccepted: readonly string[];
  readonly clockSkewSeconds: number;
  readonly clock: Clock;
}

/**
 * Verifies `x-jws-signature` over the exact bytes of the body, with the keys of the authenticated TPP alone.
 *
 * @throws {ApiError} one of the Signature codes, with the header's name as path (rules, sections 5 and 7)
 */
export async function verifySignature(
  request: FastifyRequest,
  body: Uint8Array,
  tpp: Tpp,
  context: SignatureContext,
): Promise<JoseHeader> {
  const signatures = request.raw.headersDistinct[SIGNATURE_HEADER] ?? [];
  const [signature] = signatures;
  if (signature === undefined || signature === '') throw failure('SignatureMissing', 'The signature is missing.');
  if (signatures.length > 1) throw failure('SignatureMalformed', 'There must be one signature.');
  try {
    return await verifyDetached(signature, body, {
      iss: `${tpp.organisationId}/${tpp.softwareStatementId}`,
      trustAnchors: context.trustAnchorsAccepted,
      nowSeconds: context.clock.nowMs() / 1000,
      clockSkewSeconds: context.clockSkewSeconds,
      typesAccepted: SIGNATURE_TYPES,
      unencodedPayloadAccepted: false,
      keys: await context.tppKeys(tpp),
    });
  } catch (error) {
    if (error instanceof JwsError) throw failure(error.code, error.message);
    // Keys are checked when a TPP is registered, so this is not the TPP's doing.
    if (error instanceof JwksError)
      throw new ApiError('UnexpectedError', { message: 'The signature cannot be verified.' });
    throw error;
  }
}

function failure(code: JwsError['code'], message: string): ApiError {
  return new ApiError(code, { message, path: SIGNATURE_HEADER });
}
