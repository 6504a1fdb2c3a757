// Run by older-node.test.ts on an older Node, against the compiled packages: one notification over real TLS, its keys
// from a JWKS URL, and one token. Prints what came of it as JSON.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { buildSetClaims, createSigner, EventTypeCatalogue, signSet } from '@tidings/protocol';
import { createBankClient, createReceiver, nodeListener, remoteKeys } from '@tidings/tpp';

const { caPem, server: keyed, client } = JSON.parse(readFileSync(new URL('pki.json', import.meta.url), 'utf8'));
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'kid-1', use: 'sig' };
const signer = await createSigner({ kid: 'kid-1', iss: 'bank', tan: 'openbanking.org.uk' }, keyPem);
const handled = [];

const server = createServer({ cert: keyed.certificatePem, key: keyed.keyPem }, (incoming, outgoing) => {
  if (incoming.url === '/notifications') return listener(incoming, outgoing);
  const token = { access_token: 'token-1', token_type: 'Bearer', expires_in: 60 };
  outgoing.setHeader('content-type', 'application/json');
  return outgoing.end(JSON.stringify(incoming.url === '/jwks' ? { keys: [jwk] } : token));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `https://127.0.0.1:${server.address().port}`;
const keys = remoteKeys({ url: `${origin}/jwks`, transport: { caPem } });
const listener = nodeListener(
  createReceiver({
    issuer: origin,
    signer: 'bank',
    clientId: 'tpp',
    keys,
    onNotification: ({ jti }) => void handled.push(jti),
  }),
);

const nowMs = Date.now();
const claims = buildSetClaims({
  issuer: origin,
  jti: 'jti-1',
  clientId: 'tpp',
  nowMs,
  occurredAtMs: nowMs,
  transactionId: undefined,
  resource: {
    id: 'r',
    type: 'domestic-payment',
    uri: `${origin}/r`,
    links: [{ version: 'v4.0', link: `${origin}/r` }],
  },
  events: [{ type: new EventTypeCatalogue().find('UK.OBIE.Resource-Update') }],
});
const set = await signSet(claims, signer, nowMs / 1000);

async function post(body) {
  const headers = { 'content-type': 'application/jwt' };
  const outgoing = request(`${origin}/notifications`, { method: 'POST', headers, ca: caPem, agent: false }).end(body);
  const [incoming] = await once(outgoing, 'response');
  incoming.resume();
  return incoming.statusCode;
}

const statuses = [await post(set), await post(set), await post('nonsense'), await post('x'.repeat(200_000))];
const bank = createBankClient({
  clientId: 'tpp',
  issuer: origin,
  tokenEndpoint: `${origin}/token`,
  baseUrl: `${origin}/open-banking/v4.0`,
  transport: { ...client, caPem },
  signer,
  bank: { signer: 'bank', keys },
});
const { accessToken } = await bank.token();
bank.close();
server.close();
process.stdout.write(JSON.stringify({ statuses, handled, accessToken }));
