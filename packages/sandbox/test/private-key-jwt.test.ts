import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { listenHttps, makeParticipant, testPki } from '@tidings/testing';
import { type BankClientOptions, createBankClient } from '@tidings/tpp';
import { Provider } from 'oidc-provider';

const CLIENT_ID = 'tpp-client-1';
const AUDIENCE = 'https://bank.example/open-banking';

/** oidc-provider over mutual TLS, for one client that signs its assertions; tokens are bound to its certificate. */
async function startProvider(jwk: { readonly kid: string }, serve: (listener: RequestListener) => Promise<string>) {
  const provided = Promise.withResolvers<RequestListener>();
  const issuer = await serve((request, response) => void provided.promise.then((answer) => answer(request, response)));
  const provider = new Provider(issuer, {
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['PS256'] },
    clients: [
      {
        client_id: CLIENT_ID,
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'PS256',
        jwks: { keys: [jwk] },
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        scope: 'accounts',
        tls_client_certificate_bound_access_tokens: true,
      },
    ],
    scopes: ['accounts'],
    ttl: { ClientCredentials: 60 },
    responseTypes: [],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: ({ socket }) => (socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: () => ({ scope: 'accounts', audience: AUDIENCE, accessTokenFormat: 'opaque' }),
      },
    },
  });
  provider.on('server_error', (_ctx, error) => assert.fail(error));
  provided.resolve(provider.callback());
  return issuer;
}

test('the bank client gets a token from oidc-provider by private_key_jwt, and none with the key of another', async (t) => {
  const pki = await testPki();
  const tpp = await makeParticipant(CLIENT_ID, 'tpp-key-1');
  const stranger = await makeParticipant(CLIENT_ID, 'tpp-key-1');
  const issuer = await startProvider(tpp.jwk, async (listener) => {
    return (await listenHttps(t, listener, { requestCert: true, rejectUnauthorized: true })).origin;
  });
  const clientOf = (keyPem: string, changes: Partial<BankClientOptions> = {}) => {
    const client = createBankClient({
      clientId: CLIENT_ID,
      issuer,
      baseUrl: `${issuer}/open-banking/v4.0`,
      transport: { ...pki.client, caPem: pki.caPem },
      clientAuthentication: { method: 'private_key_jwt', keyPem, kid: 'tpp-key-1' },
      signer: tpp.signer,
      bank: { signer: 'bank', keys: tpp.keys },
      ...changes,
    });
    t.after(() => client.close());
    return client;
  };
  const { accessToken, scope } = await clientOf(tpp.keyPem).token();
  assert.deepEqual([scope, accessToken.length > 20], ['accounts', true]);
  const elsewhere = { method: 'private_key_jwt', keyPem: tpp.keyPem, kid: 'tpp-key-1', audience: AUDIENCE } as const;
  for (const refused of [clientOf(stranger.keyPem), clientOf(tpp.keyPem, { clientAuthentication: elsewhere })]) {
    await assert.rejects(refused.token(), { name: 'BankError', kind: 'unauthorised', message: /invalid_client/ });
  }
});
