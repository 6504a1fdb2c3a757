// Run by older-node.test.ts on an older Node, against the compiled packages: one notification over real TLS, its keys
// from a JWKS URL, one token, and polls with their
// acknowledgements, handled by the same handler. Prints what came of it as JSON.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { buildSetClaims, createSigner, EventTypeCatalogue, signSet } from '@tidings/protocol';
import {
  createBankClient,
  createNotificationHandler,
  createPoller,
  createReceiver,
  nodeListener,
  openSqliteInboxStore,
  remoteKeys,
} from '@tidings/tpp';

const { caPem, server: keyed, client } = JSON.parse(readFileSync(new URL('pki.json', import.meta.url), 'utf8'));
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'kid-1', use: 'sig' };
const signer = await createSigner({ kid: 'kid-1', iss: 'bank', tan: 'openbanking.org.uk' }, keyPem);
const handled = [];
const polls = [];

async function answerPoll(incoming, outgoing) {
  let body = '';
  for await (const chunk of incoming) body += chunk;
  const number = polls.push(JSON.parse(body));
  const [first, second, third] = sets;
  const given = { 1: { 'jti-1': first, 'jti-2': second }, 4: { 'jti-3': third } };
  // The second poll is a long one, which only its end ends.
  if (number !== 2) outgoing.end(JSON.stringify({ sets: given[number] ?? {}, moreAvailable: false }));
}

const server = createServer({ cert: keyed.certificatePem, key: keyed.keyPem }, (incoming, outgoing) => {
  if (incoming.url === '/notifications') return listener(incoming, outgoing);
  if (incoming.url.endsWith('/events')) return answerPoll(incoming, outgoing);
  const token = { access_token: 'token-1', token_type: 'Bearer', expires_in: 60 };
  outgoing.setHeader('content-type', 'application/json');
  return outgoing.end(JSON.stringify(incoming.url === '/jwks' ? { keys: [jwk] } : token));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `https://127.0.0.1:${server.address().port}`;
const keys = remoteKeys({ url: `${origin}/jwks`, transport: { caPem } });
const expected = { issuer: origin, signer: 'bank', clientId: 'tpp', keys };
const handler = createNotificationHandler({ onNotification: ({ jti }) => void handled.push(jti) });
const listener = nodeListener(createReceiver({ ...expected, handler, onRefused: () => undefined }));

const nowMs = Date.now();
const claimsOf = (jti) => ({
  issuer: origin,
  jti,
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
const sets = await Promise.all(
  ['jti-1', 'jti-2', 'jti-3'].map((jti) => signSet(buildSetClaims(claimsOf(jti)), signer, nowMs / 1000)),
);
const [set] = sets;

async function post(body, url = `${origin}/notifications`) {
  const headers = { 'content-type': 'application/jwt' };
  const outgoing = request(url, { method: 'POST', headers, ca: caPem, agent: false }).end(body);
  const [incoming] = await once(outgoing, 'response');
  incoming.resume();
  return incoming.statusCode;
}

const statuses = [await post(set), await post(set), await post('nonsense'), await post('x'.repeat(200_000))];

// The example of the package, with the settings that the sandbox writes. What it prints is no part of the outcome.
for (const [name, text] of Object.entries({ ca: caPem, cert: keyed.certificatePem, key: keyed.keyPem })) {
  writeFileSync(new URL(`${name}.pem`, import.meta.url), text);
}
Object.assign(process.env, {
  BANK_ISSUER: origin,
  BANK_ORGANISATION_ID: 'bank',
  BANK_JWKS_URL: `${origin}/jwks`,
  SANDBOX_CA_FILE: 'ca.pem',
  TPP_CLIENT_ID: 'tpp',
  TPP_CALLBACK_URL: 'https://127.0.0.1:0/open-banking/v4.0/event-notifications',
  TPP_RECEIVER_CERTIFICATE_FILE: 'cert.pem',
  TPP_RECEIVER_KEY_FILE: 'key.pem',
});
const printed = [];
console.log = (...values) => printed.push(values.join(' '));
const example = await import(new URL('receiver.js', import.meta.url).href);
if (!example.server.listening) await once(example.server, 'listening');
statuses.push(await post(set, `https://127.0.0.1:${example.server.address().port}/`));
example.server.close();

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
const poller = createPoller({ ...expected, bank, handler });
const running = poller.run();
while (polls.length < 2) await new Promise((resolve) => setImmediate(resolve));
await poller.stop();
await running;
for await (const { jti } of poller) {
  handled.push(jti);
  break;
}
const acknowledged = polls.map(({ ack = [] }) => ack.join());
bank.close();
server.close();
// The module of SQLite is newer than the oldest Node.js that the package runs on.
const file = fileURLToPath(new URL('inbox.db', import.meta.url));
const inbox = await openSqliteInboxStore({ file }).then(
  (store) => store.close().then(() => 'opened'),
  ({ code, message }) => `${code}: ${message}`,
);
const printedByExample = printed.slice(1);
process.stdout.write(
  JSON.stringify({ statuses, handled, printed: printedByExample, acknowledged, accessToken, inbox }),
);
