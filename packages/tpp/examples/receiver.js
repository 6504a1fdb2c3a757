// Receives the notifications of one bank. `tidings sandbox` writes the settings as tpp.env:
//
//   node --env-file=tpp.env receiver.js
//
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createReceiver, nodeListener, remoteKeys } from '@tidings/tpp';

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run with --env-file=tpp.env`);
  return value;
}

// Left out where the bank's certificates are from a public authority.
const caFile = process.env['SANDBOX_CA_FILE'];

const receiver = createReceiver({
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

const callbackUrl = new URL(setting('TPP_CALLBACK_URL'));
const tls = {
  cert: readFileSync(setting('TPP_RECEIVER_CERTIFICATE_FILE')),
  key: readFileSync(setting('TPP_RECEIVER_KEY_FILE')),
};

export const server = createServer({ ...tls, requestTimeout: 10_000, headersTimeout: 10_000 }, nodeListener(receiver));
server.listen(Number(callbackUrl.port || 443), () => console.log(`Listening at ${callbackUrl.href}`));
