import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { after, afterEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { claimsOf, listenOn, makeAuthority, until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';

// Section 4: real time delivery, as an endpoint sees it that knows nothing of this software.

const FINANCIAL_ID = '0015800001041REAAY';
const RETRIES_MAX = 12;
const bank = await startBank({
  clients: ['tpp-a'],
  settings: {
    financialId: FINANCIAL_ID,
    delivery: { timeoutMs: 500 },
    // It stays closed: what is shown is the retry policy.
    breaker: { attemptsMin: 100 },
    retry: { delayMs: 10, delayMaxMs: 20, retriesMax: RETRIES_MAX, jitter: 0 },
  },
});
const tpp = await makeTpp(bank, 'tpp-a');
const foreign = await (await makeAuthority('Root of nobody')).issue({ name: 'stranger' });

/** What the endpoint got, in order. */
interface Post {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly tlsVersion: string | null;
  readonly clientCertificates: number;
}
type Answer = (response: ServerResponse, interactionId: string) => void;

const posts: Post[] = [];
/** One answer for each request, the last for all that follow. */
let answers: readonly Answer[] = [];
const server = createServer(
  // It asks for a certificate, so that one that is sent is seen, and takes none.
  { cert: bank.transport.certificatePem, key: bank.transport.keyPem, requestCert: true, rejectUnauthorized: false },
  async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const socket = request.socket as TLSSocket;
    const answer = answers[Math.min(posts.length, answers.length - 1)];
    posts.push({
      ...{ method: request.method ?? '', url: request.url ?? '', headers: request.headers },
      body: Buffer.concat(chunks).toString(),
      tlsVersion: socket.getProtocol(),
      clientCertificates: Object.keys(socket.getPeerCertificate()).length,
    });
    answer?.(response, String(request.headers['x-fapi-interaction-id']));
  },
);
const origin = `https://localhost:${await listenOn(server)}`;
const PATH = '/open-banking/v4.0/event-notifications';

after(async () => {
  tpp.close();
  await bank.stop();
  server.close();
  server.closeAllConnections();
});
afterEach(async () => {
  await tpp.clear();
  posts.length = 0;
});

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response, interactionId) =>
    response.writeHead(code, { 'x-fapi-interaction-id': interactionId, ...headers }).end();
const accepted = status(202);
const noAnswer: Answer = () => undefined;
const cutOff: Answer = (response) => response.destroy();

const subscribe = (callbackUrl = `${origin}${PATH}`) =>
  tpp.create('v4.0', 'event-subscriptions', { CallbackUrl: callbackUrl, Version: '4.0' });

interface Shown {
  readonly state: unknown;
  readonly attempts: readonly Readonly<Record<string, unknown>>[];
}

async function publish(): Promise<string> {
  return (await bank.publish('tpp-a')) ?? assert.fail('no notification was made');
}

/** What the operator sees of a notification once it is so. */
async function shownWhen(jti: string, isSo: (shown: Shown) => boolean, what: string): Promise<Shown> {
  const read = async () => (await bank.notification(jti)) as unknown as Shown;
  await until(async () => isSo(await read()), what);
  return read();
}

const acknowledged = (jti: string) => shownWhen(jti, ({ state }) => state === 'acknowledged', `${jti} acknowledged`);

test('a notification is a POST of the SET and nothing else, over TLS without a client certificate [4 request]', async () => {
  answers = [status(500), accepted];
  await subscribe();
  const jti = await publish();
  await acknowledged(jti);
  assert.equal(posts.length, 2);
  for (const { method, url, headers, body, tlsVersion, clientCertificates } of posts) {
    assert.deepEqual([method, url, claimsOf(body)['jti']], ['POST', PATH, jti]);
    assert.equal(headers['content-type'], 'application/jwt');
    assert.equal(headers['x-fapi-financial-id'], FINANCIAL_ID);
    assert.match(String(headers['x-fapi-interaction-id']), /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    assert.equal(headers['authorization'], undefined);
    assert.match(String(tlsVersion), /^TLSv1\.[23]$/);
    assert.equal(clientCertificates, 0);
  }
  const [first, second] = posts;
  assert.notEqual(first?.headers['x-fapi-interaction-id'], second?.headers['x-fapi-interaction-id']);
  assert.equal(first?.body, second?.body);
});

test('whatever is not 202 is a failed attempt, and is tried again until 202 comes [4 failures]', async () => {
  const refused = [200, 201, 204, 302, 400, 401, 404, 429, 500, 503];
  const moved = (code: number) => status(code, code === 302 ? { location: `${origin}/elsewhere` } : {});
  answers = [...refused.map(moved), cutOff, noAnswer, accepted];
  await subscribe();
  const { attempts } = await acknowledged(await publish());
  const outcomes = attempts.map((attempt) => attempt['status'] ?? attempt['errorClass']);
  assert.deepEqual(outcomes, [...refused, 'reset', 'timeout', 202]);
  assert.deepEqual(
    posts.map(({ url }) => url),
    answers.map(() => PATH),
    'a redirect is not followed',
  );
  assert.equal(new Set(posts.map(({ headers }) => headers['x-fapi-interaction-id'])).size, posts.length);
  assert.equal(new Set(posts.map(({ body }) => body)).size, 1);
});

test('an endpoint that refuses connections, or whose certificate leads to no root of the ASPSP, is sent nothing [4 tls]', async () => {
  const unsafe = createServer({ cert: foreign.certificatePem, key: foreign.keyPem }, (_, response) => response.end());
  const port = await listenOn(unsafe);
  let requests = 0;
  unsafe.on('request', () => {
    requests += 1;
  });
  const id = await subscribe(`https://localhost:${port}${PATH}`);
  const jti = await publish();
  const failed = (errorClass: string) => (shown: Shown) =>
    shown.attempts.some((attempt) => attempt['errorClass'] === errorClass);
  assert.equal((await shownWhen(jti, failed('tls'), 'a TLS failure')).state, 'awaiting');
  assert.equal(requests, 0);
  unsafe.close();
  unsafe.closeAllConnections();

  await tpp.put('v4.0', 'event-subscriptions', id, { CallbackUrl: `https://localhost:${port}${PATH}`, Version: '4.0' });
  assert.equal((await shownWhen(jti, failed('connect'), 'a refused connection')).state, 'awaiting');
  answers = [accepted];
  await tpp.put('v4.0', 'event-subscriptions', id, { CallbackUrl: `${origin}${PATH}`, Version: '4.0' });
  await acknowledged(jti);
});

test('a 202 without the interaction id, or with another, acknowledges, and the operator sees the breach [4 echo]', async () => {
  answers = [
    (response) => response.writeHead(202).end(),
    (response) => response.writeHead(202, { 'x-fapi-interaction-id': 'another' }).end(),
  ];
  await subscribe();
  for (const returned of [undefined, 'another']) {
    const { attempts } = await acknowledged(await publish());
    assert.equal(attempts.length, 1);
    assert.equal(attempts[0]?.['interactionIdEchoed'], false);
    assert.equal(attempts[0]?.['interactionIdReturned'], returned);
  }
});

test('past the last retry attempts cease, nothing is lost: it is polled for, or sent when the endpoint is back [4 unresponsive]', async () => {
  answers = [status(500)];
  const id = await subscribe();
  const first = await publish();
  const ceased = async () => {
    const { body } = await bank.operate('GET', '/operator/v1/tpps/tpp-a');
    return JSON.stringify(body).includes('"unresponsive"');
  };
  await until(ceased, 'the callback URL is unresponsive');
  assert.equal(posts.length, 1 + RETRIES_MAX);
  const second = await publish();
  assert.deepEqual(Object.keys((await tpp.poll({ maxEvents: 1 })).sets), [first]);
  await tpp.poll({ maxEvents: 0, ack: [first] });
  assert.equal(posts.length, 1 + RETRIES_MAX, 'no attempt while it is unresponsive');

  answers = [accepted];
  await tpp.put('v4.0', 'event-subscriptions', id, { CallbackUrl: `${origin}${PATH}`, Version: '4.0' });
  await acknowledged(second);
  assert.deepEqual(
    posts.slice(1 + RETRIES_MAX).map(({ body }) => claimsOf(body)['jti']),
    [second],
  );
});

test('an acknowledgement that is lost brings the same SET again, under the same jti [4 at-least-once]', async () => {
  const lost: Answer = (response) => response.socket?.destroy();
  answers = [lost, accepted];
  await subscribe();
  const jti = await publish();
  await acknowledged(jti);
  assert.deepEqual(
    posts.map(({ body }) => claimsOf(body)['jti']),
    [jti, jti],
  );
});
