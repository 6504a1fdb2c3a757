import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { TestContext } from 'node:test';
import { makeRsaKey, type RecordingServer, startRecordingServer, testPki } from '@tidings/testing';
import { type JWTPayload, SignJWT } from 'jose';
import type { OidcVerifier } from '../../src/trust/oidc-tokens.ts';
import { createOidcVerifier, type OidcOptions } from '../../src/trust/oidc-tokens.ts';
import { type HeldClock, heldClock, NOW_MS } from './trust-clock.ts';

/** A key of an identity provider. */
export interface ProviderKey {
  readonly privateKey: KeyObject;
  readonly alg: string;
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** Makes one that says what it is for, as most providers' do. */
export function providerKey(
  kid: string,
  alg: 'RS256' | 'PS256' | 'ES256' | 'RS512' = 'RS256',
  bits = 2048,
): ProviderKey {
  const privateKey = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : makeRsaKey(bits);
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use: 'sig', alg };
  return { privateKey, alg, jwk };
}

export const OIDC_ISSUER = 'https://id.bank.example/realms/staff';
export const OIDC_AUDIENCE = 'tidings';
const NOW_SECONDS = NOW_MS / 1000;

/** Claims of an access token that is good at {@link NOW_MS}. */
export const OIDC_CLAIMS = {
  iss: OIDC_ISSUER,
  aud: OIDC_AUDIENCE,
  sub: 'f3b1',
  preferred_username: 'alice',
  iat: NOW_SECONDS - 10,
  exp: NOW_SECONDS + 300,
  roles: ['notify-viewer'],
};

/** Signs claims as a token of the provider, exactly these. */
export function oidcToken(key: ProviderKey, claims: JWTPayload = OIDC_CLAIMS, header: object = {}): Promise<string> {
  const protectedHeader = { alg: key.alg, kid: String(key.jwk['kid']), typ: 'at+jwt', ...header };
  return new SignJWT(claims).setProtectedHeader(protectedHeader).sign(key.privateKey);
}

export interface Verifying {
  readonly verifier: OidcVerifier;
  readonly server: RecordingServer;
  readonly clock: HeldClock;
  readonly failures: string[];
}

/** A verifier in front of a real HTTPS server that publishes the keys. */
export async function oidcVerifying(
  t: TestContext,
  keys: readonly ProviderKey[],
  changed: Partial<OidcOptions> = {},
): Promise<Verifying> {
  const server = await startRecordingServer(t, { keys: keys.map(({ jwk }) => jwk) });
  const clock = heldClock();
  const failures: string[] = [];
  const verifier = createOidcVerifier({
    ...{ issuer: OIDC_ISSUER, audience: OIDC_AUDIENCE, jwksUrl: `${server.origin}/jwks`, ca: (await testPki()).caPem },
    ...{ rolesClaim: 'roles', nameClaim: 'sub', clockSkewSeconds: 10, timeoutMs: 5000, clock },
    roles: { viewer: ['notify-viewer', 'staff'], operator: ['notify-operator'], administrator: ['notify-admin'] },
    onFetchFailed: ({ reason }) => failures.push(reason),
    ...changed,
  });
  t.after(() => verifier.close());
  return { verifier, server, clock, failures };
}
