import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isJsonObject } from '@tidings/protocol';
import {
  CHANGES,
  type Change,
  CLIENT_ID,
  createStepRunner,
  playFlow,
  type Sandbox,
  type ShownNotification,
  type StepReport,
  setUp,
} from '@tidings/sandbox';
import { unusedPort } from '@tidings/testing';

// Refuses connections: nothing listens there any more.
const DEAD_URL = `https://localhost:${await unusedPort()}/open-banking/v4.0/event-notifications`;
const folder = mkdtempSync(join(tmpdir(), 'tidings-flow-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const REVOKED = 'urn:uk:org:openbanking:events:consent-authorization-revoked';
const RESOURCE_UPDATE = 'urn:uk:org:openbanking:events:resource-update';
const LINKED_ACCOUNT = 'urn:uk:org:openbanking:events:account-access-consent-linked-account-update';

function startAll(): Promise<Sandbox> {
  return setUp(
    createStepRunner(() => undefined),
    { folder, once: true, port: 0 },
  );
}

const played = new Map<Change, Promise<Map<string, StepReport>>>();

/** Plays the flow for a change, once: the tests look at what it told. */
function play(change: Change): Promise<Map<string, StepReport>> {
  const reports = played.get(change) ?? playAfresh(change);
  played.set(change, reports);
  return reports;
}

async function playAfresh(change: Change): Promise<Map<string, StepReport>> {
  const reports = new Map<string, StepReport>();
  const step = createStepRunner((report) => reports.set(report.step, report));
  const sandbox = await setUp(step, { folder, once: true, port: 0 });
  try {
    await playFlow(step, sandbox, change);
  } finally {
    await sandbox.stop();
  }
  return reports;
}

function eventsOf(reports: Map<string, StepReport>): Record<string, unknown> {
  const claims = reports.get('verify')?.details['claims'];
  assert.ok(isJsonObject(claims) && isJsonObject(claims['events']));
  return claims['events'];
}

async function shownWhen(
  sandbox: Sandbox,
  jti: string,
  condition: (shown: ShownNotification) => boolean,
): Promise<ShownNotification> {
  for (let look = 0; look < 500; look += 1) {
    const shown = await sandbox.bank.notification(jti);
    if (condition(shown)) return shown;
    await pause(20);
  }
  throw new Error(
    `notification ${jti} never came to that state: ${JSON.stringify(await sandbox.bank.notification(jti))}`,
  );
}

let published = 0;
async function publish(sandbox: Sandbox) {
  published += 1;
  const uri = `${sandbox.addresses.resourceServer}/open-banking/v4.0/aisp/account-access-consents/${published}`;
  const outcome = await sandbox.bank.publish({
    id: `event-${published}`,
    clientId: CLIENT_ID,
    occurredAt: new Date().toISOString(),
    transactionId: `transaction-${published}`,
    resource: {
      ...{ id: `${published}`, type: 'account-access-consent', version: '4.0', uri },
      links: [{ version: 'v4.0', link: uri }],
    },
    events: [{ type: 'UK.OBIE.Consent-Authorization-Revoked' }],
  });
  return outcome;
}

async function registerTpp(sandbox: Sandbox): Promise<void> {
  const { organisationId, softwareStatementId, signing } = sandbox.pki.tpp;
  await sandbox.bank.registerTpp(CLIENT_ID, {
    organisationId,
    softwareStatementId,
    jwks: { keys: [signing.publicJwk] },
  });
}

describe('the real-time flow over real TLS', () => {
  for (const change of CHANGES) {
    test(`plays to its end for ${change}`, async () => {
      const reports = await play(change);
      const steps = ['pki', 'start', 'register-tpp', 'register', 'change', 'publish', 'deliver', 'verify'];
      const polled = ['poll', 'ack', 'err-redelivered', 'v3-registration'];
      assert.deepEqual([...reports.keys()], [...steps, 'duplicate', 'token', 'fetch', ...polled]);
      assert.ok([...reports.values()].every(({ ok }) => ok));
      const attempts = reports.get('deliver')?.details['attempts'];
      assert.ok(Array.isArray(attempts));
      assert.deepEqual(
        attempts.map(({ status }) => status),
        [500, 400, 202],
      );
      assert.equal(new Set(attempts.map(({ interactionId }) => interactionId)).size, 3, 'fresh for each exchange');
    });
  }

  test('a payment that changed status is announced by a resource-update, and read in its new status', async () => {
    const reports = await play('payment-settled');
    assert.deepEqual(Object.keys(eventsOf(reports)), [RESOURCE_UPDATE]);
    assert.match(JSON.stringify(reports.get('fetch')?.details['resource']), /"Status":"ACSC"/);
  });

  test('an AIS consent revoked at the bank is announced by consent-authorization-revoked alone, with its subject', async () => {
    const events = eventsOf(await play('consent-revoked'));
    assert.deepEqual(Object.keys(events), [REVOKED]);
    assert.ok(isJsonObject(events[REVOKED]) && 'subject' in events[REVOKED]);
  });

  test('a closed linked account is announced with its reason', async () => {
    const events = eventsOf(await play('account-closed'));
    assert.ok(isJsonObject(events[LINKED_ACCOUNT]));
    assert.equal(events[LINKED_ACCOUNT]['reason'], 'UK.OBIE.AccountClosure');
  });

  test('a revoked funds confirmation consent is one token with two events, the revocation empty', async () => {
    const events = eventsOf(await play('funds-consent-revoked'));
    assert.deepEqual(Object.keys(events).sort(), [REVOKED, RESOURCE_UPDATE]);
    assert.deepEqual(events[REVOKED], {});
  });
});

describe('registrations and what is awaiting', () => {
  test('an event before any registration makes no notification, and says why', async () => {
    const sandbox = await startAll();
    try {
      assert.equal((await publish(sandbox)).reason, 'unknown-client');
      await registerTpp(sandbox);
      assert.equal((await publish(sandbox)).reason, 'no-registration');
    } finally {
      await sandbox.stop();
    }
  });

  test('a TPP that moves gets what was awaiting at its new callback URL, as the same token', async () => {
    const sandbox = await startAll();
    const client = await sandbox.tpp.connect('accounts');
    try {
      await registerTpp(sandbox);
      const subscription = await client.eventSubscriptions.create({ callbackUrl: DEAD_URL, version: '4.0' });
      const { jti = '' } = await publish(sandbox);
      const failed = await shownWhen(sandbox, jti, ({ attempts }) => attempts.length > 0);
      assert.equal(failed.attempts[0]?.errorClass, 'connect');
      await client.eventSubscriptions.replace({ ...subscription, callbackUrl: sandbox.tpp.callbackUrl });
      const delivered = await shownWhen(sandbox, jti, ({ state }) => state === 'acknowledged');
      assert.equal(delivered.set, failed.set, 'signed once: the same bytes');
      assert.equal(sandbox.tpp.received.find((received) => received.jti === jti)?.set, failed.set);
    } finally {
      client.close();
      await sandbox.stop();
    }
  });

  test('what is awaiting when its registration is deleted is recorded as withdrawn', async () => {
    const sandbox = await startAll();
    const client = await sandbox.tpp.connect('accounts');
    try {
      await registerTpp(sandbox);
      const { eventSubscriptionId } = await client.eventSubscriptions.create({ callbackUrl: DEAD_URL, version: '4.0' });
      const { jti = '' } = await publish(sandbox);
      await client.eventSubscriptions.delete(eventSubscriptionId);
      assert.equal((await sandbox.bank.notification(jti)).state, 'withdrawn');
      assert.equal(await client.eventSubscriptions.get(), undefined);
    } finally {
      client.close();
      await sandbox.stop();
    }
  });
});

describe('a sandbox whose state is kept', () => {
  test('goes on where it was: the same keys, the registration replaced, what was awaiting delivered', async () => {
    const kept = join(folder, 'kept');
    const options = { folder: kept, once: false, port: 0 };
    const quiet = createStepRunner(() => undefined);
    const first = await setUp(quiet, options);
    await registerTpp(first);
    const client = await first.tpp.connect('accounts');
    await client.eventSubscriptions.create({ callbackUrl: DEAD_URL, version: '4.0' });
    client.close();
    const { jti = '' } = await publish(first);
    await first.stop();

    const reports: StepReport[] = [];
    const step = createStepRunner((report) => reports.push(report));
    const second = await setUp(step, options);
    try {
      await playFlow(step, second, 'payment-settled');
      assert.equal(second.pki.tpp.signing.kid, first.pki.tpp.signing.kid);
      assert.equal(reports.find(({ step: name }) => name === 'register')?.details['created'], false);
      await shownWhen(second, jti, ({ state }) => state === 'acknowledged');
      assert.ok(second.tpp.received.some((received) => received.jti === jti));
    } finally {
      await second.stop();
    }
  });
});
