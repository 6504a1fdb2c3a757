import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A directory that signs software statement assertions. */
export interface Directory {
  readonly issuer: string;
  readonly jwksFile: string;
  /** Signs a statement about a piece of software. */
  sign(claims?: Record<string, unknown>): Promise<string>;
  /** Signs one with a key that the directory does not have. */
  forge(): Promise<string>;
}

const ISSUER = 'Sample Directory';
const KID = 'directory-1';

/** What a statement says unless a test says otherwise. */
export const STATEMENT = {
  org_id: '0015800001IMPORTAX',
  software_id: 'ImportedSoftware000001',
  software_client_id: 'ImportedSoftware000001',
  software_client_name: 'Imported software',
  software_roles: ['AISP'],
  software_jwks_endpoint: 'https://keystore.directory.example/0015800001IMPORTAX/ImportedSoftware000001.jwks',
  software_jwks_revoked_endpoint: 'https://keystore.directory.example/revoked/ImportedSoftware000001.jwks',
  org_jwks_endpoint: 'https://keystore.directory.example/0015800001IMPORTAX/org.jwks',
};

/** Makes the directory's key, and writes its JWKS for the configuration. */
export async function makeDirectory(folder: string): Promise<Directory> {
  const [ours, other] = await Promise.all([keyPair(), keyPair()]);
  const jwksFile = join(folder, 'directory.jwks');
  const jwk = { ...(await exportJWK(ours.publicKey)), kid: KID, use: 'sig', alg: 'PS256' };
  writeFileSync(jwksFile, JSON.stringify({ keys: [jwk] }));
  const sign = (key: CryptoKey, claims: Record<string, unknown>) =>
    new SignJWT({ iss: ISSUER, iat: Math.floor(Date.now() / 1000), ...STATEMENT, jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'PS256', kid: KID, typ: 'JWT' })
      .sign(key);
  return {
    issuer: ISSUER,
    jwksFile,
    sign: (claims = {}) => sign(ours.privateKey, claims),
    forge: () => sign(other.privateKey, {}),
  };
}

function keyPair() {
  return generateKeyPair('PS256', { modulusLength: 2048 });
}
