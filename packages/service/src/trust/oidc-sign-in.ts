import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  type Configuration,
  type CustomFetch,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import { createHttpsClient, type HttpsClient, HttpsError } from '../net/https-client.ts';
import type { Material } from './material.ts';

const ANSWER_BYTES_MAX = 131_072;

/** The part of a sign-in that the browser keeps, sealed, while it is at the provider. */
export interface PendingSignIn {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** A sign-in that came to nothing. `isUnavailable`: the provider did not answer. */
export class SignInFailed extends Error {
  override readonly name = 'SignInFailed';
  readonly isUnavailable: boolean;

  constructor(isUnavailable: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message : 'the provider did not let anybody in', { cause });
    this.isUnavailable = isUnavailable;
  }
}

/** Sign-in at the bank's identity provider; see {@link createOidcSignIn}. */
export interface OidcSignIn {
  /** @returns the URL that the browser is sent to. @throws {SignInFailed} */
  begin(): Promise<{ readonly url: string; readonly pending: PendingSignIn }>;
  /**
   * @param query of the URL that the provider sent the browser back to, with its question mark
   * @returns the access token, not verified yet
   * @throws {SignInFailed}
   */
  finish(query: string, pending: PendingSignIn): Promise<string>;
  close(): Promise<void>;
}

/**
 * The authorisation code flow of OpenID Connect with PKCE (OpenID Connect Core 1.0 section 3.1, RFC 7636). Endpoints come
 * of the provider's discovery document, which is read when it is first needed. Does not verify the access token: that is
 * done as for any caller.
 *
 * @returns undefined where `operator.oidc.signIn` is not configured
 */
export function createOidcSignIn(
  oidc: Config['operator']['oidc'],
  { operatorOidcCa: ca, oidcClientSecret }: Pick<Material, 'operatorOidcCa' | 'oidcClientSecret'>,
  clock: Clock,
): OidcSignIn | undefined {
  if (oidc?.signIn === undefined) return undefined;
  const { issuer, timeoutMs, signIn: settings } = oidc;
  const https = createHttpsClient({
    tls: { ca },
    timeoutMs,
    responseBytesMax: ANSWER_BYTES_MAX,
    clock,
    guard: undefined,
  });
  let discovered: Promise<Configuration> | undefined;
  const configuration = (): Promise<Configuration> => {
    discovered ??= discover({ ...settings, issuer, clientSecret: oidcClientSecret }, https).catch((error) => {
      discovered = undefined;
      throw new SignInFailed(true, error);
    });
    return discovered;
  };
  return {
    close: () => https.close(),
    begin: async () => {
      const config = await configuration();
      const pending = { state: randomState(), nonce: randomNonce(), codeVerifier: randomPKCECodeVerifier() };
      const url = buildAuthorizationUrl(config, {
        redirect_uri: settings.redirectUrl,
        scope: settings.scope,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await calculatePKCECodeChallenge(pending.codeVerifier),
        code_challenge_method: 'S256',
      });
      return { url: url.href, pending };
    },
    finish: async (query, { state, nonce, codeVerifier }) => {
      const config = await configuration();
      const returned = new URL(query, settings.redirectUrl);
      const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: codeVerifier };
      try {
        return (await authorizationCodeGrant(config, returned, { ...checks, idTokenExpected: true })).access_token;
      } catch (error) {
        throw new SignInFailed(isOf(error, HttpsError), error);
      }
    },
  };
}

interface Provider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly idTokenAlgorithm: string;
}

function discover(provider: Provider, https: HttpsClient): Promise<Configuration> {
  const { issuer, clientId, clientSecret, idTokenAlgorithm } = provider;
  return discovery(
    new URL(issuer),
    clientId,
    { id_token_signed_response_alg: idTokenAlgorithm },
    clientSecret === undefined ? None() : ClientSecretPost(clientSecret),
    { [customFetch]: fetchWith(https) },
  );
}

/** The one HTTPS client of the service, in the shape that the library asks for. */
function fetchWith(https: Pick<HttpsClient, 'exchange'>): CustomFetch {
  return async (url, { body, headers }) => {
    const sent = body === undefined || body === null ? {} : { body: String(body) };
    const answer = await https.exchange({ url, headers, ...sent });
    const type = { 'content-type': 'application/json' };
    return new Response(Uint8Array.from(answer.body), { status: answer.status, headers: type });
  };
}

function isOf(error: unknown, kind: typeof HttpsError): boolean {
  return error instanceof kind || (error instanceof Error && error.cause !== undefined && isOf(error.cause, kind));
}
