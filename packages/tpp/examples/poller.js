// Collects the notifications of one bank by polling, without an open port. `tidings sandbox` writes the settings as tpp.env:
//
//   node --env-file=tpp.env poller.js
//
import { readFileSync } from 'node:fs';
import { createBankClient, createPoller, createSigner, remoteKeys } from '@tidings/tpp';
import { setting } from './my-receiver.js';

/** @param {string} name */
const file = (name) => readFileSync(setting(name), 'utf8');

// Left out where the bank's certificates are from a public authority.
const trust = process.env['SANDBOX_CA_FILE'] === undefined ? {} : { caPem: file('SANDBOX_CA_FILE') };
const clientId = setting('TPP_CLIENT_ID');
const signer = setting('BANK_ORGANISATION_ID');
const keys = remoteKeys({ url: setting('BANK_JWKS_URL'), transport: trust });
const identity = { kid: setting('TPP_SIGNING_KID'), iss: setting('TPP_SIGNING_ISS'), tan: setting('TPP_SIGNING_TAN') };

const bank = createBankClient({
  clientId,
  issuer: setting('BANK_AUTHORISATION_SERVER'),
  baseUrl: setting('BANK_API_URL'),
  scope: setting('BANK_SCOPES'),
  transport: {
    certificatePem: file('TPP_TRANSPORT_CERTIFICATE_FILE'),
    keyPem: file('TPP_TRANSPORT_KEY_FILE'),
    ...trust,
  },
  signer: await createSigner(identity, file('TPP_SIGNING_KEY_FILE')),
  bank: { signer, keys },
});

// Without a callback URL: the bank pushes nothing.
await bank.eventSubscriptions.ensure({ version: '4.0' });

const poller = createPoller({
  bank,
  issuer: setting('BANK_ISSUER'),
  signer,
  clientId,
  keys,
  onNotification: ({ jti, kind, resourceType, resourceId }) => console.log(jti, kind, resourceType, resourceId),
});

// Acknowledges what was handled, then ends.
process.once('SIGINT', () => void poller.stop());
console.log('Polling.');
await poller.run();
bank.close();
