import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiVersion } from '@tidings/protocol';
import type { RegistrationToStore } from '../../src/model/registration.ts';
import type { DecideFanOut } from '../../src/store/delivery.ts';
import {
  bankEvent,
  callbackUrlOf as callbackUrlAt,
  callbackUrlIn,
  deletionOf,
  notifyAll,
  subscriptionIn,
  subscriptionOf,
  tppOf,
} from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { acknowledge, CEASE, claim, claimOne, fail, jtisOf, look, type OpenFor, publish, register } from './opened.ts';

const OLD_URL = 'https://old.example/open-banking/v3.1/event-notifications';
const NEW_URL = 'https://new.example/open-banking/v3.1/event-notifications';

function callbackUrlOf(clientId: string, changes: Partial<RegistrationToStore> = {}): RegistrationToStore {
  return callbackUrlAt(clientId, { callbackUrl: OLD_URL, ...changes });
}

/** Callback URLs, which an event subscription supersedes; TPPs and signing keys as they are kept. */
export function describeCallbackUrls(open: OpenFor): void {
  test('a callback URL is read back as it was created and replaced; a second one is refused', async (t) => {
    const { store } = await open(t);
    assert.equal(await store.createRegistration(callbackUrlOf('a'), START_MS), 'created');
    assert.equal(await store.createRegistration(callbackUrlOf('a', { id: 'x' }), START_MS), 'exists');
    assert.deepEqual(await callbackUrlIn(store, 'a'), { ...callbackUrlOf('a'), unresponsiveSinceMs: undefined });
    const changed = callbackUrlOf('a', { callbackUrl: NEW_URL, version: '3.1.2', apiVersion: 'v4.0' });
    assert.equal(await store.replaceRegistration(changed, START_MS), 'changed');
    assert.deepEqual(await callbackUrlIn(store, 'a'), { ...changed, unresponsiveSinceMs: undefined });
  });

  test('ids of others, unknown ids and registrations of a newer version are told apart', async (t) => {
    const { store } = await open(t);
    await store.createRegistration(callbackUrlOf('a', { apiVersion: 'v4.0' }), START_MS);
    const changes = (clientId: string, id: string) =>
      store.replaceRegistration(callbackUrlOf(clientId, { id }), START_MS);
    assert.equal(await changes('b', 'cb-a'), 'of-another-tpp');
    assert.equal(await changes('a', 'cb-z'), 'unknown');
    assert.equal(await changes('a', 'cb-a'), 'of-newer-version');
    const deletes = (clientId: string, through: ApiVersion) =>
      store.deleteRegistration({ ...deletionOf(callbackUrlOf('a')), clientId, through }, START_MS);
    assert.equal(await deletes('a', 'v3.1'), 'of-newer-version');
    assert.equal(await deletes('b', 'v4.0'), 'of-another-tpp');
    assert.equal(await deletes('a', 'v4.0'), 'changed');
    assert.equal(await deletes('a', 'v4.0'), 'unknown');
  });

  test('an event subscription of v4.0 cannot be changed or deleted through v3.1', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const through31 = subscriptionOf('a', { apiVersion: 'v3.1' });
    assert.equal(await store.replaceRegistration(through31, START_MS), 'of-newer-version');
    assert.equal(await store.deleteRegistration(deletionOf(through31), START_MS), 'of-newer-version');
    assert.equal((await subscriptionIn(store, 'a'))?.apiVersion, 'v4.0');
  });

  test('notifications go to the callback URL of a TPP that has no event subscription', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    await publish(store, 'a', ['one']);
    assert.equal((await claimOne(store)).callbackUrl, OLD_URL);
  });

  test('fan-out gets the registration that is in force', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    const kinds: (string | undefined)[] = [];
    const decide: DecideFanOut = (event, tpp, registration) => {
      kinds.push(registration?.kind);
      return notifyAll(event, tpp, registration);
    };
    await store.publish([bankEvent('a', 'one')], decide, START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    await store.publish([bankEvent('a', 'two')], decide, START_MS);
    await store.createRegistration(subscriptionOf('a'), START_MS);
    await store.publish([bankEvent('a', 'three')], decide, START_MS);
    assert.deepEqual(kinds, [undefined, 'callback-url', 'event-subscription']);
  });

  test('an event subscription takes over what was awaiting, and its deletion withdraws it', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await fail(store, await claimOne(store), CEASE);
    await store.createRegistration(subscriptionOf('a', { callbackUrl: NEW_URL }), START_MS);
    const claimed = await claimOne(store);
    assert.deepEqual([claimed.callbackUrl, claimed.roundAttempts], [NEW_URL, 0]);
    await store.deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    assert.equal((await look(store, jti)).state, 'withdrawn');
    await publish(store, 'a', ['two']);
    assert.equal((await claimOne(store)).callbackUrl, OLD_URL, 'the callback URL is effective again');
  });

  test('an event subscription without a callback URL supersedes the callback URL: nothing is pushed', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    await publish(store, 'a', ['one']);
    await store.createRegistration(subscriptionOf('a', { callbackUrl: undefined }), START_MS);
    await publish(store, 'a', ['two']);
    assert.deepEqual(await claim(store), []);
  });

  test('changing or deleting a superseded callback URL leaves what is awaiting alone', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    const [jti = ''] = await publish(store, 'a', ['one']);
    const claimed = await claimOne(store);
    await store.replaceRegistration(callbackUrlOf('a', { callbackUrl: NEW_URL }), START_MS);
    await store.deleteRegistration(deletionOf(callbackUrlOf('a')), START_MS);
    assert.equal((await look(store, jti)).state, 'awaiting');
    assert.equal(await acknowledge(store, claimed), 'applied', 'the claim still stands');
  });

  test('deleting the callback URL that holds withdraws what is awaiting', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    const [jti = ''] = await publish(store, 'a', ['one']);
    await store.deleteRegistration(deletionOf(callbackUrlOf('a')), START_MS);
    assert.equal((await look(store, jti)).state, 'withdrawn');
  });

  test('a callback URL becomes unresponsive and responsive like that of an event subscription', async (t) => {
    const { store } = await open(t);
    await store.putTpp(tppOf('a'), START_MS);
    await store.createRegistration(callbackUrlOf('a'), START_MS);
    await publish(store, 'a', ['one', 'two']);
    const [first, second] = await claim(store);
    assert.ok(first !== undefined && second !== undefined);
    await fail(store, first, CEASE, 10);
    assert.equal((await callbackUrlIn(store, 'a'))?.unresponsiveSinceMs, START_MS + 10);
    await acknowledge(store, second, 20);
    assert.equal((await callbackUrlIn(store, 'a'))?.unresponsiveSinceMs, undefined);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: 20 })), [first.jti]);
  });

  test('a TPP is read back with all that was put', async (t) => {
    const { store } = await open(t);
    const { jwks: _, ...withoutJwks } = tppOf('a');
    const tpp = {
      ...withoutJwks,
      jwksUrl: 'https://keystore.example/a.jwks',
      revokedJwksUrl: 'https://keystore.example/revoked/a.jwks',
      certificateSubject: 'CN=a,C=GB',
      scopes: ['accounts'],
      isSuspended: true,
      retry: { delayMs: 500, delayMaxMs: 60_000, retriesMax: 4, intervalMaxMs: 3_600_000 },
    };
    await store.putTpp(tpp, START_MS);
    assert.deepEqual(await store.tpp('a'), tpp);
    assert.deepEqual(await store.tpps('', 10), [tpp]);
    const { retry: _r, ...withoutRetry } = { ...tpp, retry: undefined };
    await store.putTpp(withoutRetry, START_MS);
    assert.deepEqual(await store.tpp('a'), withoutRetry);
  });

  test('TPPs are listed in the order of their client_id, page by page', async (t) => {
    const { store } = await open(t);
    for (const clientId of ['c', 'a', 'b']) await store.putTpp(tppOf(clientId), START_MS);
    const listed = async (after: string, limit: number) =>
      (await store.tpps(after, limit)).map(({ clientId }) => clientId);
    assert.deepEqual(await listed('', 2), ['a', 'b']);
    assert.deepEqual(await listed('b', 2), ['c']);
    assert.deepEqual(await listed('c', 2), []);
  });

  test('the oldest awaiting notification is found over all TPPs', async (t) => {
    const { store } = await open(t);
    await register(store, ['a', 'b']);
    assert.equal(await store.oldestAwaitingAtMs(), undefined);
    await publish(store, 'b', ['one'], 10);
    await publish(store, 'a', ['two'], 20);
    assert.equal(await store.oldestAwaitingAtMs(), START_MS + 10);
    await acknowledge(store, await claimOne(store, 15), 15);
    assert.equal(await store.oldestAwaitingAtMs(), START_MS + 20);
  });
}
