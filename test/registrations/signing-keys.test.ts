import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { HEADER_IAT, HEADER_ISS, HEADER_TAN, isSignedWith, makeSigningKey } from '@tidings/testing';
import { errorOf } from '../support/answers.ts';
import type { Bank } from '../support/bank.ts';
import type { Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// Our own keys, and the form of signatures that early versions have.

const GOOD = JSON.stringify({ Data: { Version: '3.1' } });
// RFC 7797, as resources v3.1.2 and v3.1.3 have it.
const UNENCODED = { b64: false, crit: ['b64', HEADER_IAT, HEADER_ISS, HEADER_TAN] };

describe('the b64: false form', () => {
  test('is accepted on v3.1 paths when the operator enables it, and nowhere else [5 b64-when-enabled]', async () => {
    await withBank({ settings: { api: { isUnencodedPayloadAccepted: true } } }, async (tpp) => {
      const post = (version: 'v3.1' | 'v4.0') =>
        tpp.call('POST', version, 'event-subscriptions', { body: GOOD, joseHeader: UNENCODED });
      assert.equal(errorOf(await post('v4.0')).code, 'U016');
      assert.equal((await post('v3.1')).status, 201);
      assert.equal((await tpp.call('POST', 'v3.1', 'callback-urls', { body: GOOD })).status, 400, 'the other form too');
    });
  });

  test('is refused on both when the operator does not [5 b64-off]', async () => {
    await withBank({}, async (tpp) => {
      for (const [version, code] of [
        ['v3.1', 'UK.OBIE.Signature.InvalidClaim'],
        ['v4.0', 'U016'],
      ] as const) {
        const answer = await tpp.call('POST', version, 'event-subscriptions', { body: GOOD, joseHeader: UNENCODED });
        assert.equal(errorOf(answer).code, code);
      }
    });
  });
});

interface Jwks {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

async function jwksOf(tpp: Tpp, path = '/.well-known/jwks.json'): Promise<Jwks> {
  const answer = await tpp.send(path);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/jwk-set+json');
  assert.equal(answer.headers['cache-control'], 'public, max-age=60');
  assert.match(String(answer.headers['x-fapi-interaction-id']), /^[0-9a-f-]{36}$/);
  return JSON.parse(answer.body.toString());
}

/** Gives the service another signing key to read; under a kid of its own, unless told otherwise. */
async function replaceKey(bank: Bank, kid: string) {
  const next = makeSigningKey(kid);
  writeFileSync(bank.signingKeyFile, next.keyPem);
  bank.signing.kid = kid;
  return next;
}

/** Whether the answer to a GET is signed with a key. */
async function signsWith(tpp: Tpp, jwk: object): Promise<boolean> {
  const headers = { authorization: `Bearer ${await tpp.token()}` };
  const answer = await tpp.send('/open-banking/v4.0/event-subscriptions', { headers });
  return isSignedWith(String(answer.headers['x-jws-signature']), jwk, answer.body);
}

describe('our JWKS', () => {
  test('lies at the configured path, public members alone, and answers GET alone [8 jwks-path]', async () => {
    await withBank({ settings: { api: { jwksPath: '/keys/ob.jwks', prefix: '/p' } } }, async (tpp, bank) => {
      assert.deepEqual(await jwksOf(tpp, '/p/keys/ob.jwks'), { keys: [bank.signingKey.jwk] });
      assert.equal((await tpp.send('/.well-known/jwks.json')).status, 404);
      const posted = await tpp.send('/p/keys/ob.jwks', { method: 'POST' });
      assert.deepEqual([posted.status, posted.headers.allow], [405, 'GET']);
    });
  });

  test('a key that is no key stays out: the one before it goes on signing [8 keys-rotate-refused]', async () => {
    await withBank({}, async (tpp, bank) => {
      writeFileSync(bank.signingKeyFile, 'no key');
      await assert.rejects(bank.service.reload(), { name: 'StartUpError' });
      assert.equal((await tpp.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
    });
  });

  test('another key under the kid of a former one is refused: its signatures would not verify [8 keys-kid-reused]', async () => {
    await withBank({}, async (tpp, bank) => {
      await replaceKey(bank, bank.signingKey.kid);
      await assert.rejects(bank.service.reload(), { name: 'StartUpError' });
      assert.ok(await signsWith(tpp, bank.signingKey.jwk));
    });
  });

  test('keys rotate without a restart; the old one stays in the JWKS while it may be needed [8 keys-rotate]', async () => {
    await withBank(
      { settings: { signing: { formerKeysKeptMs: 0 }, polling: { reofferMs: 1000 } } },
      async (tpp, bank) => {
        await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
        const jti = (await bank.publish('tpp-a')) ?? '';
        const first = (await tpp.poll()).sets[jti] ?? '';
        assert.deepEqual(await jwksOf(tpp), { keys: [bank.signingKey.jwk] });
        const { jwk } = await replaceKey(bank, 'bank-signing-2');
        await bank.service.reload();
        assert.deepEqual(await jwksOf(tpp), { keys: [jwk, bank.signingKey.jwk] }, 'the new key is there at once');
        assert.ok(await signsWith(tpp, jwk));
        bank.clock.aheadMs += 120_000;
        const again = (await tpp.poll()).sets[jti] ?? '';
        assert.equal(again, first, 'a token keeps its bytes, and so its key');
        assert.ok(isSignedWith(again, bank.signingKey.jwk));
        await tpp.poll({ ack: [jti] });
        bank.clock.aheadMs += 120_000;
        assert.deepEqual(await jwksOf(tpp), { keys: [jwk] }, 'nothing that the old one signed is live');
      },
    );
  });
});
