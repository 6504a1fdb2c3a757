// Run by scripts/try-packed.ts on each Node.js, in a folder with the packed kit and the frameworks: every example of the package,
// and its command line, gets a SET that a bank has signed, and a forged one. Prints the statuses of each as JSON.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { buildSetClaims, createSigner, EventTypeCatalogue, signSet } from '@tidings/protocol';

const PATH = '/open-banking/v4.0/event-notifications';
const { caPem, server: keyed } = JSON.parse(readFileSync('pki.json', 'utf8'));
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'kid-1', use: 'sig' };
const identity = { kid: 'kid-1', iss: 'bank', tan: 'openbanking.org.uk' };
const signer = await createSigner(identity, privateKey.export({ type: 'pkcs8', format: 'pem' }));

const keystore = createServer({ cert: keyed.certificatePem, key: keyed.keyPem }, (_, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ keys: [jwk] }));
});
keystore.listen(0, '127.0.0.1');
await once(keystore, 'listening');
const bank = `https://127.0.0.1:${keystore.address().port}`;
writeFileSync('ca.pem', caPem);
Object.assign(process.env, {
  BANK_ISSUER: bank,
  BANK_ORGANISATION_ID: 'bank',
  BANK_JWKS_URL: `${bank}/jwks`,
  SANDBOX_CA_FILE: `${process.cwd()}/ca.pem`,
  TPP_CLIENT_ID: 'tpp',
  PORT: '0',
});
// The examples print what they receive, which is no part of the outcome.
console.log = () => undefined;
console.warn = () => undefined;

async function freshSet() {
  const uri = `${bank}/r`;
  const nowMs = Date.now();
  const claims = buildSetClaims({
    issuer: bank,
    jti: randomUUID(),
    clientId: 'tpp',
    nowMs,
    occurredAtMs: nowMs,
    transactionId: undefined,
    resource: { id: 'r', type: 'domestic-payment', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type: new EventTypeCatalogue().find('UK.OBIE.Resource-Update') }],
  });
  return await signSet(claims, signer, nowMs / 1000);
}

/** What a callback URL answers to a signed SET and to a forged one. */
async function tryOut(send) {
  const set = await freshSet();
  const [header, payload, signature] = set.split('.');
  const forged = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  const statuses = [];
  for (const body of [set, forged]) {
    const interactionId = randomUUID();
    const headers = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': interactionId, connection: 'close' };
    const response = await send(headers, body);
    assert.equal(new Headers(response.headers).get('x-fapi-interaction-id'), interactionId);
    statuses.push(response.status);
  }
  return statuses;
}

const sendTo =
  (port, host = 'localhost') =>
  (headers, body) =>
    fetch(`http://${host}:${port}${PATH}`, { method: 'POST', headers, body });

async function tryServer(name) {
  const { server } = await import(new URL(`${name}.js`, import.meta.url).href);
  if (!server.listening) await once(server, 'listening');
  const statuses = await tryOut(sendTo(server.address().port));
  server.close();
  return statuses;
}

async function tryLambda() {
  const { handler } = await import(new URL('lambda.js', import.meta.url).href);
  return await tryOut(async (headers, body) => {
    const requestContext = { http: { method: 'POST' } };
    const event = { version: '2.0', rawPath: PATH, headers, requestContext, isBase64Encoded: true };
    const answer = await handler({ ...event, body: Buffer.from(body).toString('base64') });
    return { ...answer, status: answer.statusCode };
  });
}

/** Starts the application that was built with Next.js. */
async function tryNext() {
  const free = createTcpServer().listen(0);
  await once(free, 'listening');
  const { port } = free.address();
  free.close();
  await once(free, 'close');
  const next = ['node_modules/next/dist/bin/next', 'start', '--port', String(port)];
  const child = spawn(process.execPath, next, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (text) => String(text).includes('Ready') && resolve());
      child.on('exit', (code) => reject(new Error(`Next.js ended with ${code}`)));
    });
    return await tryOut(sendTo(port));
  } finally {
    child.kill('SIGKILL');
  }
}

/** The command line of the package, which ends after two requests. */
async function tryListen() {
  const bankOf = ['--issuer', bank, '--signer', 'bank', '--client-id', 'tpp', '--jwks', `${bank}/jwks`];
  const args = ['listen', ...bankOf, '--ca-file', 'ca.pem', '--port', '0', '--count', '2', '--json'];
  const child = spawn(process.execPath, ['node_modules/.bin/tidings-tpp', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = await once(child.stdout, 'data');
  child.stdout.resume();
  const statuses = await tryOut(sendTo(new URL(JSON.parse(line).listening).port, '127.0.0.1'));
  assert.deepEqual(await ended, [0, null]);
  return statuses;
}

const statuses = { lambda: await tryLambda(), next: await tryNext(), listen: await tryListen() };
for (const name of ['http', 'express', 'fastify', 'hono']) statuses[name] = await tryServer(name);
keystore.close();
process.stdout.write(JSON.stringify(statuses));
