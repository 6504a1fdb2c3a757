import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CLIENT_ID, createStepRunner, type Sandbox, setUp } from '@tidings/sandbox';
import { type Answer, type Call, createCaller } from './operator-caller.ts';

// What the registry does to a TPP that is really there: the sandbox's, with its registration and its callback URL.

let folder: string;
let sandbox: Sandbox;
let call: Call;
let close: () => void;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidings-suspended-'));
  sandbox = await setUp(
    createStepRunner(() => undefined),
    { folder, once: true, port: 0 },
  );
  const { pki, addresses } = sandbox;
  const target = { url: addresses.operator, token: sandbox.folder.operatorToken, ca: pki.root.certificatePem };
  ({ call, close } = createCaller(target));
  const { organisationId, softwareStatementId, signing } = pki.tpp;
  const jwks = { keys: [signing.publicJwk] };
  await call('PUT', `/operator/v1/tpps/${CLIENT_ID}`, { body: { organisationId, softwareStatementId, jwks } });
});
after(async () => {
  close();
  await sandbox.stop();
  rmSync(folder, { recursive: true, force: true });
});

let published = 0;
async function publish(): Promise<string> {
  published += 1;
  const uri = `https://bank.example/open-banking/v4.0/aisp/account-access-consents/${published}`;
  const { body } = await call('POST', '/operator/v1/events', {
    body: {
      ...{ id: `event-${published}`, clientId: CLIENT_ID, occurredAt: new Date().toISOString() },
      resource: {
        ...{ id: `${published}`, type: 'account-access-consent', version: '4.0', uri },
        links: [{ version: 'v4.0', link: uri }],
      },
      events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
    },
  });
  return body.outcomes[0].jti;
}

async function shownWhen(jti: string, condition: (shown: Answer['body']) => boolean): Promise<Answer['body']> {
  for (let look = 0; look < 500; look += 1) {
    const { body } = await call('GET', `/operator/v1/notifications/${jti}`);
    if (condition(body)) return body;
    await pause(20);
  }
  return assert.fail(`notification ${jti} never came to that state`);
}

const stateIs = (state: string) => (shown: Answer['body']) => shown.state === state;
const operate = (operation: string) => call('POST', `/operator/v1/tpps/${CLIENT_ID}/${operation}`);
const registrations = async () => (await call('GET', `/operator/v1/tpps/${CLIENT_ID}/registrations`)).body;

test('a TPP that is suspended gets 403 and no delivery; once it is resumed it gets what it missed', async () => {
  const client = await sandbox.tpp.connect('accounts');
  try {
    const { callbackUrl } = sandbox.tpp;
    const { eventSubscriptionId } = await client.eventSubscriptions.create({ callbackUrl, version: '4.0' });
    const delivered = await shownWhen(await publish(), stateIs('acknowledged'));
    assert.equal(delivered.acknowledgedBy, 'push');
    assert.deepEqual(delivered.errors, []);
    assert.deepEqual(await registrations(), {
      effective: 'event-subscription',
      eventSubscription: { eventSubscriptionId, callbackUrl, version: '4.0', apiVersion: 'v4.0' },
    });

    await operate('suspend');
    await assert.rejects(client.eventSubscriptions.get(), { status: 403 });
    const jti = await publish();
    assert.ok(jti, 'its events are kept');
    // Another TPP would be tried at once; this one has no attempt that is due.
    const kept = await shownWhen(jti, stateIs('awaiting'));
    assert.equal(kept.nextAttemptAt, undefined);
    assert.deepEqual(kept.attempts, []);
    await operate('resume');
    const late = await shownWhen(jti, stateIs('acknowledged'));
    assert.equal(late.attempts.length, 1);
    assert.ok((await client.eventSubscriptions.get()) !== undefined);
  } finally {
    client.close();
  }
});

test('a notification shows the errors that the TPP reported, and that it acknowledged by polling', async () => {
  const client = await sandbox.tpp.connect('accounts');
  try {
    const subscription = await client.eventSubscriptions.get();
    assert.ok(subscription !== undefined);
    const { callbackUrl: _withoutOne, ...pollingOnly } = subscription;
    await client.eventSubscriptions.replace(pollingOnly);
    const jti = await publish();
    assert.ok((await client.events.poll({ returnImmediately: true })).sets.has(jti));
    const report = { err: 'invalid_issuer', description: 'not known here' };
    await client.events.poll({ maxEvents: 0, setErrs: [{ jti, ...report }] });
    const reported = await shownWhen(jti, stateIs('awaiting'));
    assert.equal(reported.acknowledgedBy, undefined);
    assert.deepEqual(reported.errors, [{ reportedAt: reported.errors[0].reportedAt, ...report }]);
    await client.events.poll({ maxEvents: 0, ack: [jti] });
    assert.equal((await shownWhen(jti, stateIs('acknowledged'))).acknowledgedBy, 'poll');
  } finally {
    client.close();
  }
});

test('a TPP that is removed loses its registrations, and what is awaiting is withdrawn', async () => {
  await operate('suspend');
  const jti = await publish();
  assert.equal((await call('DELETE', `/operator/v1/tpps/${CLIENT_ID}`)).status, 204);
  await shownWhen(jti, stateIs('withdrawn'));
});
