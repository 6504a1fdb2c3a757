import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { after, describe, test } from 'node:test';
import { POLL_BODY_BYTES_MAX } from '@tidings/protocol';
import { headerOf } from '@tidings/testing';
import { bodyOf, errorOf, VERSIONS } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type TppRequest } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// Section 7: how each failure is answered, in the words of the version that was called. What holds for every answer
// (interaction id, body form, no internals) is checked by `call` each time.

const BODY_BYTES_MAX = 4096;
const PER_MINUTE = 40;
const bank = await startBank({ clients: ['tpp-a'], settings: { api: { bodyBytesMax: BODY_BYTES_MAX } } });
const tpp = await makeTpp(bank, 'tpp-a');
after(async () => {
  tpp.close();
  await bank.stop();
});

const GOOD = JSON.stringify({ Data: { Version: '3.1' } });
const TARGETS = [
  { path: 'event-subscriptions', allow: 'GET, POST' },
  { path: 'event-subscriptions/x', allow: 'PUT, DELETE' },
  { path: 'callback-urls', allow: 'GET, POST' },
  { path: 'callback-urls/x', allow: 'PUT, DELETE' },
  { path: 'events', allow: 'POST' },
];

for (const version of VERSIONS) {
  const codeOf = (v40: string, v31: string) => (version === 'v4.0' ? v40 : `UK.OBIE.${v31}`);

  describe(`HTTP under ${version}`, () => {
    for (const { path, allow } of TARGETS) {
      test(`every other method on ${path} is 405 with Allow [7 405-allow]`, async () => {
        const others = METHODS.filter((method) => method !== 'CONNECT' && !allow.split(', ').includes(method));
        assert.ok(others.includes('HEAD') && others.includes('OPTIONS'));
        for (const method of others) {
          const answer = await tpp.call(method, version, path, { token: null });
          assert.deepEqual([answer.status, answer.headers.allow], [405, allow], method);
        }
      });
    }

    test('an Accept that does not cover JSON is 406 [7 406]', async () => {
      for (const accept of ['text/html', 'application/jwt', 'application/json;q=0', 'image/*']) {
        for (const [method, path] of [
          ['GET', 'event-subscriptions'],
          ['POST', 'events'],
        ] as const) {
          const headers = { accept, 'content-type': 'application/json' };
          assert.equal(
            (await tpp.call(method, version, path, { headers, body: method === 'POST' ? '{}' : undefined })).status,
            406,
          );
        }
      }
    });

    test('a Content-Type that is not JSON is 415; charset=utf-8 is let be [7 415]', async () => {
      for (const path of ['event-subscriptions', 'callback-urls', 'events']) {
        for (const type of [
          'text/plain',
          'application/jwt',
          'application/json; charset=latin1',
          'application/xml',
          '',
        ]) {
          const answer = await tpp.call('POST', version, path, { body: '{}', headers: { 'content-type': type } });
          assert.equal(answer.status, 415, type);
        }
        for (const type of [
          'application/json',
          'application/json; charset=utf-8',
          'Application/JSON;charset="UTF-8"',
        ]) {
          const answer = await tpp.call('POST', version, path, { body: '{}', headers: { 'content-type': type } });
          assert.notEqual(answer.status, 415, type);
        }
      }
    });

    test('a body over the limit is 413, whether its length is declared or not [7 413]', async () => {
      for (const [path, bytesMax] of [
        ['event-subscriptions', BODY_BYTES_MAX],
        ['events', POLL_BODY_BYTES_MAX],
      ] as const) {
        const body = `{"Data":{"Version":"3.1"},"x":"${'x'.repeat(bytesMax)}"}`;
        assert.equal((await tpp.call('POST', version, path, { body })).status, 413);
        const headers = { 'transfer-encoding': 'chunked', 'content-type': 'application/json' };
        assert.equal((await tpp.call('POST', version, path, { body, headers })).status, 413);
      }
    });

    test('an unknown path is 404 [7 404]', async () => {
      for (const path of [
        '',
        'events/x',
        'event-subscriptions/x/y',
        'Event-Subscriptions',
        'event-subscription',
        '%zz',
        'event-notifications',
      ]) {
        assert.equal((await tpp.call('GET', version, path)).status, 404, path);
      }
    });

    test('an interaction id that is a UUID comes back, another does not [7 interaction-id]', async () => {
      const id = '11111111-2222-4333-8444-555555555555';
      for (const sent of [id, id.toUpperCase(), 'x', `${id}x`, '']) {
        for (const path of ['event-subscriptions', 'nowhere']) {
          await tpp.call('GET', version, path, { headers: { 'x-fapi-interaction-id': sent } });
        }
      }
    });
  });

  describe(`signatures under ${version}`, () => {
    const post = (request: TppRequest) => tpp.call('POST', version, 'event-subscriptions', { body: GOOD, ...request });
    const refusal = async (request: TppRequest) => errorOf(await post(request)).code;

    test('missing [7 signature-missing]', async () => {
      assert.equal(await refusal({ signature: null }), codeOf('U019', 'Signature.Missing'));
    });

    test('not parseable [7 signature-malformed]', async () => {
      for (const signature of ['abc', 'a..b', '..', 'e30.e30.e30', [tpp.sign(GOOD), tpp.sign(GOOD)]]) {
        assert.equal(await refusal({ signature }), codeOf('U018', 'Signature.Malformed'), String(signature));
      }
    });

    for (const name of Object.keys(headerOf(tpp.sign(GOOD)))) {
      test(`JOSE header member ${name} missing [7 signature-missing-claim]`, async () => {
        assert.equal(await refusal({ joseHeader: { [name]: undefined } }), codeOf('U017', 'Signature.MissingClaim'));
      });
    }

    test('a JOSE header member wrong, or the kid unknown [7 signature-invalid-claim]', async () => {
      const future = Math.floor(bank.clock.nowMs() / 1000) + 3600;
      for (const joseHeader of [
        { kid: 'unknown' },
        { alg: 'RS256' },
        { 'http://openbanking.org.uk/iss': 'org-of-busy/software-of-busy' },
        { 'http://openbanking.org.uk/tan': 'elsewhere.example' },
        { 'http://openbanking.org.uk/iat': future },
        { crit: ['http://openbanking.org.uk/iat'] },
        { jku: 'https://tpp.example/jwks' },
      ]) {
        assert.equal(
          await refusal({ joseHeader }),
          codeOf('U016', 'Signature.InvalidClaim'),
          JSON.stringify(joseHeader),
        );
      }
    });

    test('one that does not verify [7 signature-invalid]', async () => {
      assert.equal(await refusal({ signature: tpp.sign(`${GOOD} `) }), codeOf('U015', 'Signature.Invalid'));
    });

    test('a refusal names the header as its Path, and v3.1 tells Code and Message [7 error-body]', async () => {
      const answer = await post({ signature: null });
      assert.deepEqual(errorOf(answer).path, 'x-jws-signature');
      assert.deepEqual(
        Object.keys(bodyOf(answer)).sort(),
        version === 'v4.0' ? ['Errors', 'Id'] : ['Code', 'Errors', 'Id', 'Message'],
      );
    });

    test('one on an endpoint that is not signed is ignored [7 signature-ignored]', async () => {
      const id = await tpp.create(version, 'event-subscriptions', { Version: '3.1' });
      for (const signature of ['nonsense', ['a', 'b']]) {
        assert.equal((await tpp.call('POST', version, 'events', { body: '{}', signature })).status, 200);
        assert.equal((await tpp.call('GET', version, 'event-subscriptions', { signature })).status, 200);
      }
      assert.equal((await tpp.call('DELETE', version, `event-subscriptions/${id}`, { signature: 'x' })).status, 204);
    });

    test('no idempotency key anywhere: x-idempotency-key is ignored [6 no-idempotency-key]', async () => {
      const headers = { 'content-type': 'application/json', 'x-idempotency-key': 'the-same' };
      const first = await post({ headers });
      assert.deepEqual([first.status, (await post({ headers })).status], [201, 409]);
      await tpp.clear();
    });
  });
}

describe('too many requests', () => {
  test('of one TPP are 429 with Retry-After, of others not, and it passes [7 429-retry-after]', async () => {
    const settings = { api: { requestsPerMinutePerTppMax: PER_MINUTE } };
    await withBank({ clients: ['tpp-a', 'calm'], settings }, async (busy, at) => {
      const calm = await makeTpp(at, 'calm');
      for (let request = 0; request < PER_MINUTE; request += 1) {
        assert.equal((await busy.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
      }
      const answer = await busy.call('GET', 'v3.1', 'event-subscriptions');
      assert.equal(answer.status, 429);
      const retryAfterSeconds = Number(answer.headers['retry-after']);
      assert.ok(retryAfterSeconds >= 1 && retryAfterSeconds <= 60 / PER_MINUTE + 1, String(retryAfterSeconds));
      assert.equal((await calm.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
      at.clock.aheadMs += retryAfterSeconds * 1000;
      assert.equal((await busy.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
      calm.close();
    });
  });

  test('that change registrations are 429 earlier, both kinds together, while others go on, and it passes', async () => {
    const settings = { api: { registrationChangesPerHourPerTppMax: 3 } };
    await withBank({ clients: ['tpp-a', 'calm'], settings }, async (busy, at) => {
      const calm = await makeTpp(at, 'calm');
      const id = await busy.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      const data = { EventSubscriptionId: id, Version: '4.0' };
      for (let change = 0; change < 2; change += 1) {
        assert.equal((await busy.put('v4.0', 'event-subscriptions', id, data)).status, 200);
      }
      const refused = await busy.put('v4.0', 'event-subscriptions', id, data);
      assert.equal(refused.status, 429);
      const retryAfterSeconds = Number(refused.headers['retry-after']);
      assert.ok(retryAfterSeconds > 1000 && retryAfterSeconds <= 1200, String(retryAfterSeconds));
      assert.equal((await busy.call('DELETE', 'v3.1', `event-subscriptions/${id}`)).status, 429);
      assert.equal((await busy.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
      await calm.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      at.clock.aheadMs += retryAfterSeconds * 1000;
      assert.equal((await busy.call('DELETE', 'v4.0', `event-subscriptions/${id}`)).status, 204);
      calm.close();
    });
  });
});
