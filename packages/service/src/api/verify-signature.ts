import {
  ApiError,
  type ApiVersion,
  type JoseHeader,
  JwksError,
  JwsError,
  SIGNATURE_HEADER,
  SIGNATURE_TYPES,
  verifyDetached,
} from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Tpp } from '../model/tpp.ts';
import { JwksUnavailableError, JwksUnusableError } from '../trust/jwks-cache.ts';
import type { TppKeys } from '../trust/tpp-keys.ts';

/** Dependencies and settings of verifying signatures of TPPs. */
export interface SignatureContext {
  readonly tppKeys: Pick<TppKeys, 'keysOf'>;
  readonly trustAnchorsAccepted: readonly string[];
  readonly clockSkewSeconds: number;
  /** Accepts the `b64: false` form of resources v3.1.2 and v3.1.3, on v3.1 paths only. */
  readonly isUnencodedPayloadAccepted: boolean;
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
  context: SignatureContext & { readonly apiVersion: ApiVersion },
): Promise<JoseHeader> {
  const signatures = request.raw.headersDistinct[SIGNATURE_HEADER] ?? [];
  const [signature] = signatures;
  if (signature === undefined || signature === '') throw failure('SignatureMissing', 'The signature is missing.');
  if (signatures.length > 1) throw failure('SignatureMalformed', 'There must be exactly one signature.');
  try {
    return await verifyDetached(signature, body, {
      iss: `${tpp.organisationId}/${tpp.softwareStatementId}`,
      trustAnchors: context.trustAnchorsAccepted,
      nowSeconds: context.clock.nowMs() / 1000,
      clockSkewSeconds: context.clockSkewSeconds,
      typesAccepted: SIGNATURE_TYPES,
      unencodedPayloadAccepted: context.isUnencodedPayloadAccepted && context.apiVersion === 'v3.1',
      keys: await context.tppKeys.keysOf(tpp),
    });
  } catch (error) {
    if (error instanceof JwsError) throw failure(error.code, error.message);
    if (!(error instanceof JwksError || error instanceof JwksUnavailableError)) throw error;
    request.log.error({ clientId: tpp.clientId, reason: error.message }, 'the keys of a TPP are unavailable');
    // The TPP can correct what it publishes at its URL; an inline JWKS was checked when the bank registered it.
    if (error instanceof JwksUnusableError) {
      throw failure('SignatureInvalidClaim', `The kid cannot be resolved: your JWKS is not usable. ${error.message}`);
    }
    throw new ApiError('UnexpectedError', { message: 'The signature cannot be verified now; try again later.' });
  }
}

function failure(code: JwsError['code'], message: string): ApiError {
  return new ApiError(code, { message, path: SIGNATURE_HEADER });
}
