import { randomUUID } from 'node:crypto';
import { isJsonObject, parseStrictJson } from '@tidings/protocol';
import type { Clock } from '../clock.ts';
import type { AspspConfig, ClientConfig } from './config.ts';
import { type ForgingKey, signJwt } from './forge.ts';
import type { WireClient, WireScope } from './wire.ts';

/** The tokens of one client, one for each scope, until shortly before they expire. */
export interface AccessTokens {
  /** Every token that was given, also those that have expired. */
  readonly given: ReadonlySet<string>;
  /** @throws {Error} when the authorisation server gives none; the message says why */
  token(scope: string, wire: WireScope): Promise<string>;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ASSERTION_TTL_SECONDS = 60;
const RENEWED_BEFORE_MS = 30_000;
const LIFETIME_SECONDS = 60;

/** Client credentials grant over mutual TLS (RFC 6749 section 4.4, RFC 8705, RFC 7523). */
export function createAccessTokens(options: {
  readonly client: ClientConfig;
  readonly bank: AspspConfig['bank'];
  readonly key: ForgingKey;
  readonly http: WireClient;
  readonly clock: Clock;
  readonly requestMs: number;
}): AccessTokens {
  const { client, bank, key, http, clock } = options;
  const given = new Set<string>();
  const cached = new Map<string, { readonly token: string; readonly until: number }>();

  async function request(scope: string, wire: WireScope): Promise<string> {
    const { clientId, authentication } = client;
    const askedAtMs = clock.nowMs();
    const form = new URLSearchParams({ grant_type: 'client_credentials', scope, client_id: clientId });
    if (authentication === 'private_key_jwt') {
      const nowSeconds = Math.floor(askedAtMs / 1000);
      const claims = { iss: clientId, sub: clientId, aud: bank.tokenAudience, jti: randomUUID(), iat: nowSeconds };
      const header = { alg: 'PS256', kid: key.kid, typ: 'JWT' };
      const assertion = signJwt(header, { ...claims, exp: nowSeconds + ASSERTION_TTL_SECONDS }, key.privateKey);
      form.set('client_assertion_type', ASSERTION_TYPE);
      form.set('client_assertion', assertion);
    }
    const headers = [
      ['content-type', 'application/x-www-form-urlencoded'],
      ['accept', 'application/json'],
    ] as const;
    const sent = { method: 'POST', headers, body: form.toString(), timeoutMs: options.requestMs };
    const answer = await http.send(bank.tokenEndpoint, sent, wire);
    const body = answer.status === 200 ? parseStrictJson(answer.body) : undefined;
    const token = isJsonObject(body) ? body['access_token'] : undefined;
    if (!isJsonObject(body) || typeof token !== 'string') {
      throw new Error(
        `The token endpoint gives ${clientId} no token for the scope ${scope}: status ${answer.status}. ` +
          'Check its certificate, its authentication and its scope.',
      );
    }
    given.add(token);
    const lifetimeSeconds = Number(body['expires_in'] ?? LIFETIME_SECONDS);
    cached.set(scope, { token, until: askedAtMs + lifetimeSeconds * 1000 - RENEWED_BEFORE_MS });
    return token;
  }

  return {
    given,
    token: async (scope, wire) => {
      const known = cached.get(scope);
      return known !== undefined && clock.nowMs() < known.until ? known.token : await request(scope, wire);
    },
  };
}
