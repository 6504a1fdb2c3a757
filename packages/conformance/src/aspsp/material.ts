import { createPrivateKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '../config-file.ts';
import type { AspspConfig } from './config.ts';

interface Pair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/**
 * Checks keys and certificates before anything is sent, since each check would fail by them later and not say why. Does not
 * check who issued a certificate, or until when it is valid.
 *
 * @throws {ConfigError} naming the setting
 */
export function checkMaterial({ bank, clients, receiver }: AspspConfig): void {
  if (bank.caPem !== undefined) checkAuthorities('bank.caFile', bank.caPem);
  for (const [at, client] of clients.entries()) {
    checkPair(`clients[${at}]`, client);
    checkSigningKey(`clients[${at}].signing.keyFile`, client.signing.keyPem);
  }
  if (receiver === undefined) return;
  checkPair('receiver', receiver);
  if (receiver.untrusted !== undefined) checkPair('receiver.untrusted', receiver.untrusted);
}

function checkAuthorities(field: string, ca: string): void {
  const isPem = ca.includes('-----BEGIN CERTIFICATE-----');
  if (!isPem || !isAccepted({ ca }))
    throw new ConfigError(field, 'names a file without certificates in PEM; correct it');
}

function checkPair(field: string, { certificatePem: cert, keyPem: key }: Pair): void {
  if (!isAccepted({ cert }))
    throw new ConfigError(`${field}.certificateFile`, 'names a file without a certificate in PEM; correct it');
  if (!isAccepted({ cert, key })) {
    throw new ConfigError(
      `${field}.keyFile`,
      'names a file that is not the private key of the certificate, in PEM and without a password; correct it',
    );
  }
}

function checkSigningKey(field: string, pem: string): void {
  try {
    if (createPrivateKey(pem).asymmetricKeyType === 'rsa') return;
  } catch {
    // What is no key at all is no RSA key.
  }
  throw new ConfigError(field, 'names a file that is not a private RSA key in PEM without a password; correct it');
}

function isAccepted(tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }): boolean {
  try {
    createSecureContext(tls);
    return true;
  } catch {
    return false;
  }
}
