import { ApiError } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';
import { remoteNetworkOf } from '../base/ip-address.ts';
import type { LogSampler } from '../base/log.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Store } from '../store/store.ts';
import type { AccessToken, AccessTokenVerifier } from '../trust/access-tokens.ts';
import { type ClientCertificate, type ClientCertificateReader, matchesSubject } from '../trust/client-certificate.ts';
import type { RateLimit } from './rate-limit.ts';
import { RateLimited } from './respond.ts';
import type { UnauthenticatedLimit } from './unauthenticated-limit.ts';

// RFC 6750 section 2.1.
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Any one of these scopes allows registrations (rules, section 2). */
export const REGISTRATION_SCOPES: readonly string[] = ['accounts', 'payments', 'fundsconfirmations'];

/** Dependencies of authentication. */
export interface AuthenticationContext {
  readonly clientCertificate: ClientCertificateReader;
  readonly accessTokens: AccessTokenVerifier;
  readonly store: Pick<Store, 'tpp'>;
  readonly rateLimit: RateLimit;
  readonly unauthenticatedLimit: UnauthenticatedLimit;
  /** Whether a remote address belongs to the gateway, which forwards requests of many TPPs. */
  readonly isGateway: (remoteAddress: string | undefined) => boolean;
  readonly logSampler: LogSampler;
  /** Optional observer of who authenticated itself, and with which certificate. */
  readonly onAuthenticated?: ((clientId: string, certificate: ClientCertificate) => void) | undefined;
}

/**
 * Authenticates the caller. It needs a client certificate, an access token bound to it, a TPP that the bank has registered
 * with that certificate and not suspended, and a scope that the token has and the bank allows the TPP.
 *
 * @param scopes any one of them is enough
 * @throws {ApiError} TokenInvalid, Forbidden, RateLimited, or UnexpectedError if the authorisation server is unavailable;
 *   only the last has a message in the response, the others are for the log
 */
export async function authenticate(
  request: FastifyRequest,
  scopes: readonly string[],
  context: AuthenticationContext,
): Promise<Tpp> {
  const certificate = context.clientCertificate(request.raw);
  const { remoteAddress } = request.socket;
  request.peer = certificate?.thumbprintS256 ?? remoteNetworkOf(request.socket);
  const network = context.isGateway(remoteAddress) ? undefined : remoteNetworkOf(request.socket);
  const attempt = { thumbprint: certificate?.thumbprintS256, network };
  const { tpp, token } = await context.unauthenticatedLimit.attempt(attempt, () =>
    identify(request, certificate, context),
  );
  if (tpp.isSuspended === true) throw new ApiError('Forbidden', { message: 'the TPP is suspended' });
  const isAllowed = token.scopes.some((scope) => scopes.includes(scope) && (tpp.scopes?.includes(scope) ?? true));
  if (!isAllowed) throw new ApiError('Forbidden', { message: 'the token has none of the scopes that the TPP may use' });
  return tpp;
}

async function identify(
  request: FastifyRequest,
  certificate: ClientCertificate | undefined,
  context: AuthenticationContext,
): Promise<{ tpp: Tpp; token: AccessToken }> {
  if (certificate === undefined) throw new ApiError('TokenInvalid', { message: 'there is no client certificate' });
  const token = await verifyToken(request, certificate.thumbprintS256, context);
  request.tokenExpiresAtMs = token.expiresAtMs;
  const retryAfterSeconds = context.rateLimit.take(token.clientId);
  if (retryAfterSeconds !== undefined) throw new RateLimited(retryAfterSeconds);
  const tpp = await context.store.tpp(token.clientId);
  if (tpp === undefined) throw new ApiError('Forbidden', { message: 'the client_id is not registered here' });
  if (tpp.certificateSubject !== undefined && !matchesSubject(certificate, tpp.certificateSubject)) {
    throw new ApiError('TokenInvalid', { message: 'the certificate is not of the subject that is registered' });
  }
  context.onAuthenticated?.(tpp.clientId, certificate);
  return { tpp, token };
}

async function verifyToken(
  request: FastifyRequest,
  thumbprint: string,
  { accessTokens, logSampler }: AuthenticationContext,
): Promise<AccessToken> {
  const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) throw new ApiError('TokenInvalid', { message: 'there is no bearer token' });
  const check = await accessTokens.verify(token, thumbprint);
  if (check.kind === 'valid') return check.token;
  if (check.kind === 'refused') throw new ApiError('TokenInvalid', { message: check.reason });
  const admitted = logSampler.admit(`unavailable ${check.reason}`);
  if (admitted) request.log.error({ reason: check.reason, ...admitted }, 'access tokens cannot be verified');
  throw new ApiError('UnexpectedError', { message: 'The access token cannot be verified now; try again later.' });
}
