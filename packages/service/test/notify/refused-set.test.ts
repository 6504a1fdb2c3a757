import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenHttps, testPki } from '@tidings/testing';
import { systemClock } from '../../src/base/clock.ts';
import { createCallbackClient } from '../../src/net/callback-client.ts';
import { deliver } from '../../src/notify/attempt.ts';
import { loopbackGuard } from '../support/loopback-guard.ts';

const { authority } = await testPki();

// A TPP may say in the body of a 400 why it refused the SET (RFC 8935 section 2.3). It is untrusted input.

const JSON_TYPE = { 'content-type': 'application/json' };

interface Case {
  readonly body: string | Buffer;
  readonly status?: number;
  readonly outcome: object;
}

const CASES: Readonly<Record<string, Case>> = {
  'the error code and its description are kept': {
    body: '{"err":"invalid_issuer","description":"iss is not our bank"}',
    outcome: { err: 'invalid_issuer', description: 'iss is not our bank' },
  },
  'an error code alone is kept': { body: '{"err":"jws"}', outcome: { err: 'jws' } },
  'each is cut to its limit': {
    body: JSON.stringify({ err: 'e'.repeat(100), description: '😀'.repeat(300) }),
    outcome: { err: 'e'.repeat(40), description: '😀'.repeat(256) },
  },
  'what no store could keep is replaced': {
    body: '{"err":"a\\u0000b","description":"\\ud800"}',
    outcome: { err: 'a\uFFFDb', description: '\uFFFD' },
  },
  'members that are no text are ignored': { body: '{"err":1,"description":{}}', outcome: {} },
  'a body that is no JSON is ignored': { body: '<html>Bad Request</html>', outcome: {} },
  'a body that is a list is ignored': { body: '["err"]', outcome: {} },
  'a body that is no UTF-8 is ignored': { body: Buffer.from([0x7b, 0xff, 0x7d]), outcome: {} },
  'an empty body is ignored': { body: '', outcome: {} },
  'a body of more than 4,096 bytes is ignored': { body: `{"err":"long"${' '.repeat(4096)}}`, outcome: {} },
  'of another status nothing is kept': { body: '{"err":"jws"}', status: 422, outcome: {} },
};

for (const [name, { body, status = 400, outcome }] of Object.entries(CASES)) {
  test(`of a refused SET, ${name}`, async (t) => {
    const server = await listenHttps(t, (_, response) => response.writeHead(status, JSON_TYPE).end(body));
    const limits = { timeoutMs: 5000, responseBytesMax: 65_536, connectionsMax: 1, connectionMaxMs: 300_000 };
    const client = createCallbackClient({
      ca: authority.certificatePem,
      guard: loopbackGuard,
      clock: systemClock,
      ...limits,
    });
    t.after(() => client.close());
    const callbackUrl = `https://127.0.0.1:${server.port}/open-banking/v4.0/event-notifications`;
    const abort = new AbortController().signal;
    const post = { clientId: 'tpp', callbackUrl, set: 'a.b.c', interactionId: 'id', financialId: undefined, abort };
    const attempt = await deliver(post, client, systemClock);
    assert.deepEqual(attempt.outcome, { kind: 'refused', status, ...outcome });
  });
}
