import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { HEADER_TAN, listenOn } from '@tidings/testing';
import { errorOf, VERSIONS } from '../support/answers.ts';
import { type Bank, startBank } from '../support/bank.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';

// Section 5: a signature names hosts and URLs. Whoever listens there is never called.

let connections = 0;
const listener = createServer((socket) => {
  connections += 1;
  socket.destroy();
});
let bank: Bank;
let tpp: Tpp;
let host = '';

before(async () => {
  host = `localhost:${await listenOn(listener)}`;
  const settings = { trustAnchorsAccepted: ['openbanking.org.uk', host, 'localhost'] };
  bank = await startBank({ clients: ['tpp-a'], settings });
  tpp = await makeTpp(bank, 'tpp-a');
});
after(async () => {
  tpp.close();
  await bank.stop();
  listener.close();
});
beforeEach(() => {
  connections = 0;
});

const BODY = JSON.stringify({ Data: { Version: '3.1' } });
const post = (version: (typeof VERSIONS)[number], joseHeader: Record<string, unknown>) =>
  tpp.call('POST', version, 'event-subscriptions', { body: BODY, joseHeader });

test('whoever is called there would be counted, so that what follows means something', async () => {
  await once(connect(Number(host.split(':')[1]), 'localhost'), 'close');
  assert.equal(connections, 1);
});

test('nothing is fetched from where tan points, be it accepted or not [5 tan-not-fetched]', async () => {
  for (const version of VERSIONS) {
    for (const tan of [host, 'localhost']) {
      assert.equal((await post(version, { [HEADER_TAN]: tan })).status, 201);
      await tpp.clear();
      // A kid that nobody has is a reason to look for it elsewhere.
      assert.equal((await post(version, { [HEADER_TAN]: tan, kid: 'unknown' })).status, 400);
    }
    for (const tan of [`https://${host}`, `${host}/keys`, `127.0.0.1:${host.split(':')[1]}`]) {
      assert.equal((await post(version, { [HEADER_TAN]: tan })).status, 400);
    }
  }
  assert.equal(connections, 0);
});

test('no URL in a header is fetched, whichever member holds it [5 no-fetch]', async () => {
  for (const url of [`https://${host}/keys`, `http://${host}/keys`]) {
    for (const member of ['jku', 'x5u', 'jwk', 'x5c', 'http://openbanking.org.uk/jku', 'kid']) {
      const value = { jwk: { kty: 'RSA', kid: url, x5u: url }, x5c: [url] }[member] ?? url;
      const refused = errorOf(await post('v4.0', { [member]: value }));
      assert.deepEqual(refused, { status: 400, code: 'U016', path: 'x-jws-signature' }, member);
    }
  }
  assert.equal(connections, 0);
  assert.deepEqual(await tpp.list('v4.0', 'event-subscriptions'), []);
});
