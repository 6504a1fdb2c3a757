import { randomUUID } from 'node:crypto';
import { systemClock } from '@tidings/service';
import { createTlsFetch, type EventNotification } from '@tidings/tpp';
import type { ShownNotification } from '../bank/operator-client.ts';
import { type Change, type Resource, titleOf } from '../resource-server/ledger.ts';
import { CLIENT_ID, openSandboxPki, type Sandbox, type SandboxOptions, startSandbox } from '../sandbox.ts';
import { playPolling } from './polling-flow.ts';
import { makeChange, notifyOfChange, untilAcknowledged } from './publishing.ts';
import { expect, type RunStep } from './steps.ts';

const FAILURES_FIRST = [500, 400];

/** Creates the PKI and starts the four participants: the first two steps of the flow. */
export async function setUp(step: RunStep, options: SandboxOptions): Promise<Sandbox> {
  const { pki } = await step('pki', async () => {
    const opened = await openSandboxPki(options.folder);
    const message = `root, transport certificates and signing keys of bank and TPP in ${options.folder}/pki`;
    return { pki: opened, message, details: { bank: opened.bank.organisationId, tpp: opened.tpp.organisationId } };
  });
  const { sandbox } = await step('start', async () => {
    const started = await startSandbox(pki, options);
    const message = 'authorisation server, notification service, resource server and TPP listen, all over TLS';
    return { sandbox: started, message, details: { ...started.addresses } };
  });
  return sandbox;
}

/** Runs the Real Time Event Notification flow once; a failed step throws. */
export async function playFlow(step: RunStep, sandbox: Sandbox, kind: Change): Promise<void> {
  await step('register-tpp', () => registerTpp(sandbox));
  await step('register', () => register(sandbox));
  const transactionId = randomUUID();
  sandbox.tpp.receiver.failFirst(transactionId, FAILURES_FIRST);
  const { resource } = await step('change', () => change(sandbox, kind));
  const { jti } = await step('publish', () => publish(sandbox, kind, resource, transactionId));
  const { delivered } = await step('deliver', () => deliver(sandbox, jti));
  const { notification } = await step('verify', () => verify(sandbox, jti, transactionId));
  await step('duplicate', () => sendAgain(sandbox, delivered));
  await fetchResource(step, sandbox, notification, resource);
  await playPolling(step, sandbox);
}

async function registerTpp(sandbox: Sandbox) {
  const { organisationId, softwareStatementId, signing } = sandbox.pki.tpp;
  const jwks = { keys: [signing.publicJwk] };
  await sandbox.bank.registerTpp(CLIENT_ID, { organisationId, softwareStatementId, jwks });
  const message = `the bank registers ${CLIENT_ID}: PUT /operator/v1/tpps/${CLIENT_ID} → 204`;
  return { message, details: { clientId: CLIENT_ID, organisationId, softwareStatementId, kid: signing.kid } };
}

async function register(sandbox: Sandbox) {
  const client = await sandbox.tpp.connect('accounts payments fundsconfirmations');
  try {
    const { callbackUrl } = sandbox.tpp;
    const existing = await client.eventSubscriptions.get();
    const wanted = { callbackUrl, version: '4.0' };
    // A TPP has one event subscription; a sandbox that reuses its state finds that of its last run.
    const made =
      existing === undefined
        ? await client.eventSubscriptions.create(wanted)
        : await client.eventSubscriptions.replace({ ...existing, ...wanted });
    expect(made.callbackUrl === callbackUrl, 'the event subscription has another callback URL');
    const call = existing === undefined ? 'POST /event-subscriptions → 201' : 'PUT /event-subscriptions/{id} → 200';
    const message = `access token over mutual TLS, then a signed ${call}; the signature of the response verifies`;
    return { message, details: { created: existing === undefined, ...made } };
  } finally {
    client.close();
  }
}

async function change(sandbox: Sandbox, kind: Change) {
  const resource = makeChange(sandbox, kind);
  const message = `${titleOf(kind)} (${resource.type} ${resource.id})`;
  return { resource, message, details: { change: kind, resource: { ...resource } } };
}

async function publish(sandbox: Sandbox, kind: Change, resource: Resource, transactionId: string) {
  const { event, outcome, jti } = await notifyOfChange(sandbox, { change: kind, resource, transactionId });
  const types = event.events.map(({ type }) => type);
  const message = `POST /operator/v1/events, ${types.join(' + ')} → 200, notification ${jti}`;
  return { jti, message, details: { eventId: event.id, types, ...outcome } };
}

async function deliver(sandbox: Sandbox, jti: string) {
  const delivered = await untilAcknowledged(sandbox, jti);
  const attempts = delivered.attempts.map(({ status, durationMs, interactionId, errorClass }) => ({
    status: status ?? errorClass,
    ms: durationMs,
    interactionId,
  }));
  const statuses = attempts.map(({ status }) => status);
  const expected = [...FAILURES_FIRST, 202];
  expect(statuses.join() === expected.join(), `the attempts were answered ${statuses}, not ${expected}`);
  const message = `POST ${sandbox.tpp.callbackUrl}, Content-Type: application/jwt, signed PS256`;
  return { delivered, message, details: { jti, callbackUrl: sandbox.tpp.callbackUrl, attempts } };
}

async function verify(sandbox: Sandbox, jti: string, transactionId: string) {
  const notification = sandbox.tpp.received.find((received) => received.jti === jti);
  expect(notification !== undefined, 'the TPP did not receive the notification');
  const { claims } = notification;
  expect(claims.aud === CLIENT_ID && claims.txn === transactionId, 'aud or txn is wrong');
  const message = `the TPP verified signature, header and claims: iss, aud, jti, txn, toe, ${Object.keys(claims.events).join(', ')}`;
  return { notification, message, details: { claims } };
}

/** Delivers the same SET twice, as networks may: the handler must not be called again. */
async function sendAgain(sandbox: Sandbox, delivered: ShownNotification) {
  const tlsFetch = createTlsFetch({ transport: { caPem: sandbox.pki.root.certificatePem } });
  try {
    const body = delivered.set ?? '';
    const headers = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': randomUUID() };
    const { status } = await tlsFetch(sandbox.tpp.callbackUrl, { method: 'POST', headers, body });
    const handled = sandbox.tpp.received.filter(({ jti }) => jti === delivered.jti).length;
    expect(status === 202 && handled === 1, `status ${status}, handled ${handled} times`);
    const message = 'the same SET sent again → 202; the TPP recognises the jti and does not handle it again';
    return { message, details: { jti: delivered.jti, status, handled } };
  } finally {
    tlsFetch.close();
  }
}

async function fetchResource(
  step: RunStep,
  sandbox: Sandbox,
  notification: EventNotification,
  resource: Resource,
): Promise<void> {
  const client = await sandbox.tpp.connect('accounts payments fundsconfirmations');
  try {
    await step('token', async () => {
      const { scope, expiresAtMs } = await client.token();
      const seconds = Math.round((expiresAtMs - systemClock.nowMs()) / 1000);
      const message = `client credentials over mutual TLS → certificate-bound access token, valid for ${seconds} s`;
      return { message, details: { scope, expiresInSeconds: seconds } };
    });
    await step('fetch', async () => {
      const { status, body, interactionId } = await client.fetchResource(notification);
      expect(JSON.stringify(body).includes(resource.id), 'the response contains another resource');
      const link = notification.links.at(-1)?.link;
      return { message: `GET ${link} → ${status}`, details: { link, status, interactionId, resource: body } };
    });
  } finally {
    client.close();
  }
}
