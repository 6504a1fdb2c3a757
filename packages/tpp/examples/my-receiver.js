// The receiver of one bank, which the other examples put into a server. `tidings sandbox` writes the settings as tpp.env.
import { readFileSync } from 'node:fs';
import { createReceiver, remoteKeys } from '@tidings/tpp';

/** @param {string} name */
export function setting(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run with --env-file=tpp.env`);
  return value;
}

export function myReceiver() {
  // Left out where the bank's certificates are from a public authority.
  const caFile = process.env['SANDBOX_CA_FILE'];
  return createReceiver({
    issuer: setting('BANK_ISSUER'),
    signer: setting('BANK_ORGANISATION_ID'),
    clientId: setting('TPP_CLIENT_ID'),
    keys: remoteKeys({
      url: setting('BANK_JWKS_URL'),
      ...(caFile !== undefined && { transport: { caPem: readFileSync(caFile, 'utf8') } }),
    }),
    // Store the notification here, then return: the bank waits for the answer.
    onNotification: ({ jti, kind, resourceType, resourceId }) => console.log(jti, kind, resourceType, resourceId),
  });
}
