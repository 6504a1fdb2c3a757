import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listenHttps, testPki } from '@tidings/testing';
import { BankError, createTlsFetch } from '@tidings/tpp';
import { startBank } from './support/fake-bank.ts';

const WANTED = { version: '4.0' };

/** A bank whose client retries, without waiting. It answers with each status in turn; 0 breaks the connection off. */
async function failingBank(t: TestContext, method: string, ...failures: [status: number, retryAfter?: string][]) {
  const delays: number[] = [];
  const wait = async (delayMs: number) => void delays.push(delayMs);
  const bank = await startBank(t, (origin) => ({ resourceOrigins: [origin], retriesMax: 2, random: () => 0.5, wait }));
  await bank.client.token();
  let requests = 0;
  const fail = (response: ServerResponse, [status, retryAfter]: [number, string?]): true => {
    if (status === 0) response.destroy();
    else response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
    return true;
  };
  bank.instead = (seen, response) => {
    if (seen.method !== method || (seen.path !== '/resource' && !seen.path.startsWith('/open-banking'))) return false;
    requests += 1;
    const failure = failures.shift();
    return failure === undefined ? false : fail(response, failure);
  };
  return { bank, delays, requests: () => requests };
}

test('a GET is retried after 429, 502, 503 and 504, with a backoff and at least for Retry-After', async (t) => {
  const { bank, delays } = await failingBank(t, 'GET', [503], [429, '4'], [200]);
  assert.equal((await bank.client.fetchResource(`${bank.origin}/resource`)).status, 200);
  assert.deepEqual(delays, [375, 4000]);
});

test('after two retries, or where the bank asks for a long delay, the error is thrown', async (t) => {
  const failing = await failingBank(t, 'GET', [503], [502], [504]);
  await assert.rejects(failing.bank.client.eventSubscriptions.get(), { kind: 'refused', status: 504 });
  assert.equal(failing.requests(), 3);
  const patient = await failingBank(t, 'GET', [503, '3600']);
  await assert.rejects(patient.bank.client.eventSubscriptions.get(), { status: 503, retryAfterMs: 3_600_000 });
  assert.deepEqual(patient.delays, []);
});

test('other refusals are not retried, and a POST of a registration never is', async (t) => {
  const refused = await failingBank(t, 'GET', [500]);
  await assert.rejects(refused.bank.client.eventSubscriptions.get(), { status: 500 });
  assert.equal(refused.requests(), 1);
  for (const failure of [[503, '1'], [0]] as [number, string?][]) {
    const posting = await failingBank(t, 'POST', failure);
    await assert.rejects(posting.bank.client.eventSubscriptions.create(WANTED), BankError);
    assert.equal(posting.requests(), 1);
  }
});

test('a DELETE whose first answer was lost finds the registration gone, which is what was wanted', async (t) => {
  const { bank } = await failingBank(t, 'DELETE', [503]);
  const { eventSubscriptionId } = await bank.client.eventSubscriptions.create(WANTED);
  const serve = bank.instead;
  bank.instead = async (seen, response) => {
    if (seen.method !== 'DELETE') return false;
    if ((await serve?.(seen, response)) === true) return true;
    response.writeHead(400).end('{"Errors":[{"ErrorCode":"U011"}]}');
    return true;
  };
  await bank.client.eventSubscriptions.delete(eventSubscriptionId);
  await assert.rejects(bank.client.eventSubscriptions.delete(eventSubscriptionId), { codes: ['U011'] });
});

/** A server that closes each connection when a second request comes on it: a keep-alive race, without the race. */
async function closingServer(t: TestContext) {
  const requests: string[] = [];
  const served = new WeakSet<object>();
  const { origin, server } = await listenHttps(t, (request, response) => {
    requests.push(`${request.method}${served.has(request.socket) ? ' closed' : ''}`);
    if (served.has(request.socket)) return void request.socket.destroy();
    served.add(request.socket);
    response.end('{}');
  });
  let connections = 0;
  server.on('secureConnection', () => {
    connections += 1;
  });
  const { caPem } = await testPki();
  const tlsFetch = createTlsFetch({ transport: { caPem } });
  t.after(() => tlsFetch.close());
  return { origin, tlsFetch, requests, connections: () => connections };
}

test('a repeatable request that meets the close of a kept connection is sent once more, on a new one', async (t) => {
  const { origin, tlsFetch, requests, connections } = await closingServer(t);
  for (let time = 0; time < 2; time += 1) assert.equal((await tlsFetch(origin)).status, 200);
  assert.deepEqual(requests, ['GET', 'GET closed', 'GET']);
  assert.equal(connections(), 2);
});

test('a request that must not be repeated has a connection of its own, where that cannot happen', async (t) => {
  const { origin, tlsFetch, requests } = await closingServer(t);
  await tlsFetch(origin);
  for (let time = 0; time < 2; time += 1) assert.equal((await tlsFetch(origin, { method: 'POST' })).status, 200);
  assert.deepEqual(requests, ['GET', 'POST', 'POST']);
});

test('a server that closes a new connection is no keep-alive race: the request fails at once', async (t) => {
  let requests = 0;
  const { origin } = await listenHttps(t, (request) => {
    requests += 1;
    request.socket.destroy();
  });
  const { caPem } = await testPki();
  const tlsFetch = createTlsFetch({ transport: { caPem } });
  t.after(() => tlsFetch.close());
  await assert.rejects(tlsFetch(origin), { name: 'TlsFetchError', code: 'connection' });
  assert.equal(requests, 1);
});
