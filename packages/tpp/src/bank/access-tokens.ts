import { cutText, fitText } from '@tidings/protocol';
import * as oauth from 'oauth4webapi';
import { type TlsFetch, TlsFetchError } from '../net/tls-fetch.ts';
import { BankError, bankErrorOf, describeCall, describeDetails } from './bank-error.ts';
import type { ClientAuthSource } from './client-authentication.ts';

/** An access token, bound to the client certificate (RFC 8705 section 3). */
export interface AccessToken {
  /** A secret: keep it out of logs. */
  readonly accessToken: string;
  /** Granted scopes, separated by spaces. */
  readonly scope: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/** Provides access tokens for requests. */
export interface AccessTokens {
  /** The token for the next request, requested when none is valid. @throws {BankError} */
  current(): Promise<AccessToken>;
  /** Discards a token that the bank rejected; a newer token obtained meanwhile is kept. */
  drop(accessToken: string): void;
  /** Discards all tokens, also one that is being requested: the certificate that they are bound to was replaced. */
  reset(): void;
}

/** Options of {@link createAccessTokens}. */
export interface AccessTokensOptions {
  readonly clientId: string;
  readonly issuer: string;
  /** Discovered when undefined. */
  readonly tokenEndpoint: string | undefined;
  readonly scope: string;
  /** Read for every token request. */
  readonly clientAuth: ClientAuthSource;
  readonly tlsFetch: TlsFetch;
  now(): number;
}

// RFC 6749 section 5.1 only recommends expires_in.
const LIFETIME_SECONDS_WITHOUT_EXPIRES_IN = 60;
// A token is renewed this long before it expires, or after nine tenths of a shorter lifetime.
const RENEWED_BEFORE_MS = 30_000;
const CODE_CHARS_MAX = 100;
const TEXT_CHARS_MAX = 500;
// Error codes of RFC 6749 section 5.2.
const REMEDIES: Readonly<Record<string, string>> = {
  invalid_client: ' Check clientId, and that the transport certificate is the one registered for it.',
  unauthorized_client: ' The bank must allow this client the client credentials grant.',
  invalid_scope: ' Check scope against what the bank allows this client.',
};
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * Requests tokens by the client credentials grant (RFC 6749 section 4.4), over mutual TLS, to which they are bound (RFC 8705
 * section 3). A token is cached until shortly before it expires, and concurrent callers share one request. The
 * authorisation server's metadata is discovered at `{issuer}/.well-known/openid-configuration` and cached until a
 * request fails. Mutual-TLS endpoint aliases are used (RFC 8705 section 5).
 */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  let cached: (AccessToken & { readonly renewAtMs: number }) | undefined;
  let underWay: Promise<AccessToken> | undefined;
  let server: oauth.AuthorizationServer | undefined;
  let generation = 0;

  async function renew(): Promise<AccessToken> {
    const askedAtMs = options.now();
    const startedIn = generation;
    try {
      server ??= await discover(options);
      const granted = await requestToken(server, options);
      const lifetimeMs = 1000 * (granted.expires_in ?? LIFETIME_SECONDS_WITHOUT_EXPIRES_IN);
      const token: AccessToken = {
        accessToken: granted.access_token,
        scope: granted.scope ?? options.scope,
        expiresAtMs: askedAtMs + lifetimeMs,
      };
      if (startedIn === generation)
        cached = { ...token, renewAtMs: token.expiresAtMs - Math.min(RENEWED_BEFORE_MS, lifetimeMs / 10) };
      return token;
    } catch (error) {
      const asked = server?.mtls_endpoint_aliases?.token_endpoint ?? server?.token_endpoint;
      server = undefined;
      throw tokenErrorOf(
        error,
        asked === undefined ? describeCall('GET', options.issuer) : describeCall('POST', asked),
      );
    } finally {
      if (startedIn === generation) underWay = undefined;
    }
  }

  return {
    current: async () => {
      if (cached !== undefined && options.now() < cached.renewAtMs) {
        const { accessToken, scope, expiresAtMs } = cached;
        return { accessToken, scope, expiresAtMs };
      }
      underWay ??= renew();
      return await underWay;
    },
    drop: (accessToken) => {
      if (cached?.accessToken === accessToken) cached = undefined;
    },
    reset: () => {
      generation += 1;
      cached = undefined;
      underWay = undefined;
    },
  };
}

async function discover(options: AccessTokensOptions): Promise<oauth.AuthorizationServer> {
  const { issuer, tokenEndpoint, tlsFetch } = options;
  if (tokenEndpoint !== undefined) return { issuer, token_endpoint: tokenEndpoint };
  const issuerUrl = new URL(issuer);
  const response = await oauth.discoveryRequest(issuerUrl, { [oauth.customFetch]: fetchOver(tlsFetch) });
  if (response.status !== 200) throw refusedBy(`The discovery document of ${options.issuer}`, response.status);
  return await oauth.processDiscoveryResponse(issuerUrl, response);
}

async function requestToken(
  server: oauth.AuthorizationServer,
  options: AccessTokensOptions,
): Promise<oauth.TokenEndpointResponse> {
  const client: oauth.Client = { client_id: options.clientId, use_mtls_endpoint_aliases: true };
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    await options.clientAuth(),
    { scope: options.scope },
    { [oauth.customFetch]: fetchOver(options.tlsFetch) },
  );
  // 400 and 401 are OAuth error responses (RFC 6749 section 5.2); a redirect or a 503 says nothing about the client.
  if (response.status !== 200 && response.status !== 400 && response.status !== 401) {
    throw refusedBy('The token request', response.status);
  }
  const granted = await oauth.processClientCredentialsResponse(server, client, response);
  if (granted.token_type !== 'bearer' || !BEARER_TOKEN.test(granted.access_token)) {
    throw new BankError('untrusted', 'The authorisation server did not return a bearer token (RFC 6750).');
  }
  return granted;
}

function fetchOver(tlsFetch: TlsFetch): (url: string, request: OauthRequest) => Promise<Response> {
  return (url, { method, headers, body }) =>
    tlsFetch(url, { method, headers, ...(body !== undefined && { body: body.toString() }) });
}

interface OauthRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
}

function refusedBy(what: string, status: number): BankError {
  return new BankError('refused', `${what} was answered with status ${status}.`, { status });
}

/** Omits `cause` for errors of oauth4webapi, which carry the response body and perhaps a token. */
function tokenErrorOf(error: unknown, call: string): BankError {
  if (error instanceof BankError) return error;
  if (error instanceof TlsFetchError) return bankErrorOf(error, call);
  if (error instanceof oauth.ResponseBodyError) {
    const { status, error_description: message } = error;
    const code = cutText(error.error, CODE_CHARS_MAX);
    const details = [{ code, ...(message !== undefined && { message: fitText(cutText(message, TEXT_CHARS_MAX)) }) }];
    const why = `${describeDetails(details)}.${REMEDIES[code] ?? ''}`;
    const text = `${call}: the authorisation server issued no token. ${why}`;
    return new BankError('unauthorised', text, { status, details });
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    const text = `${call}: the authorisation server did not accept the client (401).${REMEDIES['invalid_client']}`;
    return new BankError('unauthorised', text, { status: error.status });
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return new BankError('untrusted', `${call}: the response is not valid OAuth 2.0 (${code}).`);
}
