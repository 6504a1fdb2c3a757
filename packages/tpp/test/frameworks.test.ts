import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { serve } from '@hono/node-server';
import { signSet } from '@tidings/protocol';
import { createReceiver, lambdaHandler, nodeListener, type Refusal } from '@tidings/tpp';
import type { LambdaFunctionURLEvent, LambdaFunctionURLHandler } from 'aws-lambda';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { giveSettings } from './support/example-settings.ts';
import { INTERACTION_ID, makeClaims, receiverOptions, testBank } from './support/sets.ts';

// The server of Hono replaces these, and other files may share the process.
const { Request: ownRequest, Response: ownResponse } = globalThis;
after(() => Object.assign(globalThis, { Request: ownRequest, Response: ownResponse }));

const PATH = '/open-banking/v4.0/event-notifications';
const HEADERS = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': INTERACTION_ID };

/** Sends one request, over HTTP or as the event of a function. */
type Send = (method: string, headers: Record<string, string>, body?: string) => Promise<Response>;

/** What the examples export, each some of it. Its types are checked with those of the docs. */
interface Example {
  readonly server: Server;
  readonly handler: LambdaFunctionURLHandler;
  POST(request: Request): Promise<Response>;
}

function load(name: string): Promise<Example> {
  return import(`../examples/${name}.js`);
}

/** A SET of the test bank that is signed now: the examples have the clock of the machine. */
async function freshSet(jti: string): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { signer } = await testBank();
  return await signSet(makeClaims({ jti, iat: nowSeconds, toe: nowSeconds }), signer, nowSeconds);
}

function forged(set: string): string {
  const [header, payload, signature = ''] = set.split('.');
  return `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
}

/** Keeps what the examples print from the terminal. @returns the lines of `console.log` */
function catchPrinted(t: TestContext): string[] {
  const printed: string[] = [];
  t.mock.method(console, 'log', (...values: unknown[]) => printed.push(values.join(' ')));
  t.mock.method(console, 'warn', () => undefined);
  return printed;
}

/** Sends to a server that an example, or a test, has started, until the test ends. */
async function sendTo(t: TestContext, server: Server, path = PATH): Promise<Send> {
  if (!server.listening) await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return (method, headers, body) =>
    fetch(`http://localhost:${port}${path}`, {
      method,
      headers: { ...headers, connection: 'close' },
      ...(body !== undefined && { body }),
    });
}

/** The event that a function URL makes of a request, as AWS documents payload format 2.0. */
function functionUrlEvent(method: string, headers: Record<string, string>, body = ''): LambdaFunctionURLEvent {
  const isText = headers['content-type']?.startsWith('text/') ?? false;
  const sourceIp = '203.0.113.7';
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: PATH,
    rawQueryString: '',
    headers: { ...headers, host: 'abc.lambda-url.eu-west-2.on.aws', 'content-length': String(body.length) },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abc',
      domainName: 'abc.lambda-url.eu-west-2.on.aws',
      domainPrefix: 'abc',
      http: { method, path: PATH, protocol: 'HTTP/1.1', sourceIp, userAgent: 'bank' },
      requestId: 'request-1',
      routeKey: '$default',
      stage: '$default',
      time: '12/Mar/2026:19:03:58 +0000',
      timeEpoch: 1_773_342_238_000,
    },
    body: isText ? body : Buffer.from(body).toString('base64'),
    isBase64Encoded: !isText,
  };
}

/** Calls a handler as Lambda does, which wants a status, headers and a body that is text. */
function sendToFunction(handler: LambdaFunctionURLHandler): Send {
  return async (method, headers, body) => {
    const call = handler as (event: LambdaFunctionURLEvent) => Promise<ReturnType<typeof JSON.parse>>;
    const answer = JSON.parse(JSON.stringify(await call(functionUrlEvent(method, headers, body))));
    assert.deepEqual(Object.keys(answer), ['statusCode', 'headers', 'body']);
    return new Response(answer.body === '' ? null : answer.body, {
      status: answer.statusCode,
      headers: answer.headers,
    });
  };
}

/** A callback URL acknowledges what the bank signed, once, and refuses the rest as the standard says. */
async function tryCallbackUrl(name: string, send: Send, printed: readonly string[]): Promise<void> {
  const set = await freshSet(`jti-${name}`);
  const accepted = await send('POST', HEADERS, set);
  assert.equal(accepted.status, 202, name);
  assert.equal(accepted.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
  assert.equal(await accepted.text(), '');
  assert.deepEqual(printed.at(-1), `jti-${name} resource-update domestic-payment pmt-7290-003`);
  assert.equal((await send('POST', HEADERS, set)).status, 202);
  const refused = await send('POST', HEADERS, forged(set));
  assert.equal(refused.status, 400);
  assert.equal(refused.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
  assert.deepEqual(await refused.json(), {
    err: 'authentication_failed',
    description: 'The signature does not verify.',
  });
  assert.equal((await send('POST', { ...HEADERS, 'content-type': 'text/plain' }, set)).status, 415);
  const large = await send('POST', HEADERS, 'x'.repeat(200_000));
  assert.equal(large.status, 413);
  assert.equal(printed.filter((line) => line.startsWith(`jti-${name} `)).length, 1, 'handled once');
}

test('the examples receive from the bank in each framework', async (t) => {
  await giveSettings(t);
  const printed = catchPrinted(t);
  for (const name of ['http', 'express', 'fastify', 'hono']) {
    const send = await sendTo(t, (await load(name)).server);
    await tryCallbackUrl(name, send, printed);
    const wrongMethod = await send('GET', {});
    assert.deepEqual([wrongMethod.status, wrongMethod.headers.get('allow')], [405, 'POST'], name);
    const elsewhere = await fetch(wrongMethod.url.replace('/event-notifications', '/other'), {
      headers: { connection: 'close' },
    });
    assert.equal(elsewhere.status, 404, name);
  }
  // Next.js itself runs in scripts/try-packed.ts: it has over 300 MB. It calls POST with a Request and wants a Response.
  const { POST } = await load('next-route');
  const request = (headers: Record<string, string>, body?: string) =>
    new Request(`https://tpp.example${PATH}`, { method: 'POST', headers, ...(body !== undefined && { body }) });
  await tryCallbackUrl('next', async (_, headers, body) => POST(request(headers, body)), printed);
  const { handler } = await load('lambda');
  const send = sendToFunction(handler);
  await tryCallbackUrl('lambda', send, printed);
  assert.equal((await send('TRACE', HEADERS)).status, 405);
});

/** A receiver that keeps its refusals. */
async function observed(): Promise<{ receiver: ReturnType<typeof createReceiver>; refusals: Refusal[] }> {
  const refusals: Refusal[] = [];
  const receiver = createReceiver(await receiverOptions({ onRefused: (refusal) => refusals.push(refusal) }));
  return { receiver, refusals };
}

test('behind the body parser of a framework every notification is 500, and onRefused says why', async (t) => {
  const { receiver, refusals } = await observed();
  const listener = nodeListener(receiver);

  const onExpress = express().use(express.text({ type: '*/*' }), listener);
  const onHono = new Hono().use(async (context, next) => {
    await context.req.text();
    await next();
  });
  onHono.post('*', (context) => receiver.handle(context.req.raw));
  const onFastify = fastify();
  onFastify.addContentTypeParser('application/jwt', { parseAs: 'string' }, (_, body, done) => done(null, body));
  onFastify.post(PATH, (request, reply) => {
    reply.hijack();
    listener(request.raw, reply.raw);
  });
  await onFastify.listen({ port: 0 });

  const set = await freshSet('jti-parsed');
  for (const server of [onExpress.listen(0), onFastify.server, serve({ fetch: onHono.fetch, port: 0 }) as Server]) {
    const response = await (await sendTo(t, server))('POST', HEADERS, set);
    assert.equal(response.status, 500);
    assert.equal(response.headers.get('x-fapi-interaction-id'), INTERACTION_ID);
    const refusal = refusals.pop();
    assert.equal(refusal?.code, 'body_already_read');
    assert.match(refusal.remedy, /in front of any body parser/);
  }
});

test('a function URL sends text as it is, and the event of another kind is an error that names what is missing', async () => {
  const { receiver } = await observed();
  const handler = lambdaHandler(receiver);
  const event = { ...functionUrlEvent('POST', HEADERS), body: 'not a token', isBase64Encoded: false };
  const { statusCode, headers, body } = await handler(event);
  assert.equal(statusCode, 400);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(JSON.parse(body).err, 'invalid_request');
  assert.equal((await handler({ ...event, body: undefined })).statusCode, 400);
  for (const other of [
    undefined,
    'text',
    {},
    { httpMethod: 'POST', path: PATH, headers: {} },
    { ...event, rawPath: 'x' },
  ]) {
    await assert.rejects(handler(other), { name: 'TypeError', message: /payload format 2\.0.*rawPath/ });
  }
});
