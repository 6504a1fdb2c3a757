import { createHash } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { ApiError } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import type { Store, Tpp } from '../store/store.ts';
import type { AccessTokenVerifier } from '../trust/access-tokens.ts';

// RFC 6750 section 2.1.
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Any one of these lets a TPP keep a registration (rules, section 2). */
const REGISTRATION_SCOPES: readonly string[] = ['accounts', 'payments', 'fundsconfirmations'];

/**
 * Tells who calls: the certificate of the mutual TLS connection, an access token bound to it, one of the scopes, and a
 * TPP that the bank has registered.
 *
 * @throws {ApiError} TokenInvalid, Forbidden, or UnexpectedError when the authorisation server's keys cannot be had; the
 *   message is for the log, since none of these answers has one
 */
export async function authenticate(
  request: FastifyRequest,
  accessTokens: AccessTokenVerifier,
  store: Store,
): Promise<Tpp> {
  const thumbprint = certificateThumbprint(request);
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) throw new ApiError('TokenInvalid', { message: 'there is no bearer token' });
  const check = await accessTokens.verify(token, thumbprint);
  if (check.kind === 'unavailable') {
    request.log.error({ reason: check.reason }, 'access tokens cannot be verified');
    throw new ApiError('UnexpectedError', { message: 'The access token cannot be verified now; try again later.' });
  }
  if (check.kind === 'refused') throw new ApiError('TokenInvalid', { message: check.reason });
  if (!check.token.scopes.some((scope) => REGISTRATION_SCOPES.includes(scope))) {
    throw new ApiError('Forbidden', { message: 'the token has none of the scopes' });
  }
  const tpp = await store.tpp(check.token.clientId);
  if (tpp === undefined) throw new ApiError('Forbidden', { message: 'the client_id is not registered here' });
  return tpp;
}

/** SHA-256 of the DER of the certificate that the connection presents (RFC 8705 section 3.1), base64url. */
function certificateThumbprint(request: FastifyRequest): string {
  const { socket } = request.raw;
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) throw new ApiError('TokenInvalid', { message: 'there is no client certificate' });
  return createHash('sha256').update(certificate.raw).digest('base64url');
}
