import { constants, createHash, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';

const HASH_BYTES = 32;
const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/**
 * Signs a SHA-256 digest with RSASSA-PSS, a salt of 32 bytes and MGF1 with SHA-256 (RFC 8017 section 9.1.1), as key services do
 * that are sent digests. Node.js signs only what it hashes itself. For keys whose bits are a multiple of 8.
 */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Buffer {
  const bytes = (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const salt = randomBytes(HASH_BYTES);
  const hash = sha256(new Uint8Array(8), digest, salt);
  const data = Buffer.concat([Buffer.alloc(bytes - 2 * HASH_BYTES - 2), Buffer.from([1]), salt]);
  const mask = Buffer.concat(
    Array.from({ length: Math.ceil(data.length / HASH_BYTES) }, (_, at) => sha256(hash, Buffer.from([0, 0, 0, at]))),
  );
  const masked = data.map((byte, at) => byte ^ (mask[at] ?? 0));
  masked[0] = (masked[0] ?? 0) & 0x7f;
  const encoded = Buffer.concat([masked, hash, Buffer.from([0xbc])]);
  return privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encoded);
}
