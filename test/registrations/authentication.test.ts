import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { accessTokenOf, createHttpClient, makeAuthority } from '@tidings/testing';
import { VERSIONS } from '../support/answers.ts';
import { AUDIENCE, startBank, TOKEN_TTL_SECONDS } from '../support/bank.ts';
import { makeTpp, registerTpp, type Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// Who is let in: certificate, token bound to it, registered TPP, scopes.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b', 'unregistered'] });
const tpp = await makeTpp(bank, 'tpp-a');
const other = await makeTpp(bank, 'tpp-b');
const stranger = await makeTpp(bank, 'unregistered', { isRegistered: false });
after(async () => {
  for (const party of [tpp, other, stranger]) party.close();
  await bank.stop();
});

const PATHS = [
  ['GET', 'event-subscriptions'],
  ['POST', 'event-subscriptions'],
  ['GET', 'callback-urls'],
  ['DELETE', 'callback-urls/x'],
  ['POST', 'events'],
] as const;

/** Calls every operation. @returns the statuses, each once */
async function statuses(party: Tpp, request: object): Promise<number[]> {
  const found = new Set<number>();
  for (const version of VERSIONS) {
    for (const [method, path] of PATHS) {
      const body = method === 'POST' ? '{}' : undefined;
      found.add((await party.call(method, version, path, { body, ...request })).status);
    }
  }
  return [...found];
}

describe('tokens and certificates', () => {
  for (const [what, token] of [
    ['no token', null],
    ['a token that is none', 'abc'],
    ['an unsigned token', 'eyJhbGciOiJub25lIn0.e30.'],
  ] as const) {
    test(`${what} is 401 without a body, everywhere [7 token-invalid-401]`, async () => {
      assert.deepEqual(await statuses(tpp, { token }), [401]);
    });
  }

  test('a token of another certificate is 401 [8 token-bound]', async () => {
    assert.deepEqual(await statuses(tpp, { token: await other.token() }), [401]);
  });

  test('an expired token is 401 [7 token-expired-401]', async () => {
    const token = await tpp.token('payments');
    bank.clock.aheadMs += (TOKEN_TTL_SECONDS + 60) * 1000;
    assert.deepEqual(await statuses(tpp, { token }), [401]);
    bank.clock.aheadMs = 0;
  });

  test('a client_id that the bank has not registered is 403 [7 unregistered-403]', async () => {
    assert.deepEqual(await statuses(stranger, {}), [403]);
  });

  test('a connection without a certificate, or with one of another root, ends in the handshake [8 mutual-tls]', async () => {
    const foreign = await (await makeAuthority('Another root')).issue({ name: 'tpp-a' });
    const port = Number(new URL(bank.service.apiUrl).port);
    const ca = bank.authority.certificatePem;
    for (const identity of [{}, { cert: foreign.certificatePem, key: foreign.keyPem }]) {
      const socket = connect({ host: 'localhost', port, ca, ...identity });
      socket.on('error', () => undefined);
      socket.write('GET /open-banking/v4.0/event-subscriptions HTTP/1.1\r\nhost: x\r\n\r\n');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      await new Promise((resolve) => socket.on('close', resolve));
      assert.equal(Buffer.concat(chunks).length, 0);
    }
  });
});

describe('what the bank has registered of a TPP', () => {
  const set = (registration: object) => registerTpp(bank, 'tpp-a', tpp.signing, registration);
  after(() => set({}));

  test('a certificate of the registered subject is let in, however it is written [8 certificate-subject]', async () => {
    for (const certificateSubject of ['CN=tpp-a,O=Tests,C=GB', 'cn=TPP-A, o=tests, 2.5.4.6=gb']) {
      await set({ certificateSubject });
      assert.equal((await tpp.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
    }
  });

  test('a certificate of another subject is 401 [8 certificate-subject-mismatch]', async () => {
    for (const certificateSubject of ['CN=tpp-b,O=Tests,C=GB', 'C=GB,O=Tests,CN=tpp-a', 'CN=tpp-a']) {
      await set({ certificateSubject });
      assert.deepEqual(await statuses(tpp, {}), [401]);
    }
  });

  test('a scope must be both in the token and allowed by the bank, or it is 403 [7 scope-missing-403]', async () => {
    await set({ scopes: ['payments'] });
    assert.deepEqual(await statuses(tpp, { scope: 'accounts' }), [403]);
    assert.equal((await tpp.call('GET', 'v4.0', 'event-subscriptions', { scope: 'payments' })).status, 200);
    assert.equal((await tpp.call('GET', 'v4.0', 'event-subscriptions', { scope: 'accounts payments' })).status, 200);
  });

  test('a suspended TPP is 403 everywhere; its events are kept, and given once it is let in again [8 suspended-403]', async () => {
    await set({});
    const id = await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    assert.equal((await bank.operate('POST', '/operator/v1/tpps/tpp-a/suspend')).status < 300, true);
    assert.deepEqual(await statuses(tpp, {}), [403]);
    const jti = await bank.publish('tpp-a');
    assert.equal((await bank.operate('POST', '/operator/v1/tpps/tpp-a/resume')).status < 300, true);
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
    await tpp.remove('v4.0', 'event-subscriptions', id);
  });
});

describe('behind a gateway', () => {
  const gateway = { addresses: ['127.0.0.1'] };
  const asHeader = (der: Buffer) => `:${der.toString('base64')}:`;

  test('over plain HTTP the certificate comes in the header, from the gateway’s address alone [8 gateway-header]', async () => {
    for (const [addresses, expected] of [
      [['127.0.0.0/8'], 200],
      [['192.0.2.1'], 401],
    ] as const) {
      await withBank({ isTls: false, settings: { api: { gateway: { addresses } } } }, async (party) => {
        const headers = { 'client-cert': asHeader(party.transport.der) };
        const answer = await party.call('GET', 'v4.0', 'event-subscriptions', { headers });
        assert.equal(answer.status, expected);
        assert.equal((await party.call('GET', 'v4.0', 'event-subscriptions')).status, 401);
      });
    }
  });

  test('over TLS the gateway needs no certificate, and none that was not verified is believed [8 gateway-tls]', async () => {
    await withBank({ settings: { api: { gateway } } }, async (party, behind) => {
      const authorization = `Bearer ${await party.token()}`;
      const headers = { authorization, 'client-cert': asHeader(party.transport.der) };
      const path = '/open-banking/v4.0/event-subscriptions';
      const asGateway = createHttpClient(behind.service.apiUrl, { ca: behind.authority.certificatePem });
      assert.equal((await asGateway.send(path, { headers })).status, 200);
      assert.equal((await asGateway.send(path, { headers: { authorization } })).status, 401);
      assert.equal(
        (await party.call('GET', 'v4.0', 'event-subscriptions')).status,
        401,
        'the header alone counts there',
      );
      asGateway.close();
    });
  });

  test('a caller that is not the gateway needs a verified certificate of its own [8 gateway-others]', async () => {
    await withBank({ settings: { api: { gateway: { addresses: ['192.0.2.1'] } } } }, async (party, elsewhere) => {
      assert.equal((await party.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
      const foreign = await (await makeAuthority('Another root')).issue({ name: 'tpp-a' });
      const tls = { ca: elsewhere.authority.certificatePem, cert: foreign.certificatePem, key: foreign.keyPem };
      const forger = createHttpClient(elsewhere.service.apiUrl, tls);
      // Bound to the very certificate that it presents, so that nothing but its root can give it away.
      const { tokenIssuer: issuer, tokenKey } = elsewhere;
      const of = { issuer, audience: AUDIENCE, clientId: 'tpp-a', thumbprint: foreign.thumbprint, nowMs: Date.now() };
      const authorization = `Bearer ${accessTokenOf(tokenKey, of, {})}`;
      const headers = { authorization, 'client-cert': asHeader(party.transport.der), connection: 'close' };
      // Twice: the second time the session may be resumed.
      for (let time = 0; time < 2; time += 1) {
        assert.equal((await forger.send('/open-banking/v4.0/event-subscriptions', { headers })).status, 401);
      }
      forger.close();
    });
  });
});
