import { isUuid } from '@tidings/protocol';
import type { AspspContext } from '../context.ts';
import { checksOf, expect, fail, headerOf, requires } from '../expect.ts';
import type { CallbackEndpoint, Delivery } from '../receiver.ts';
import { claimsOfSet } from '../sets.ts';
import { CB, RT, RT_STEPS, SUB } from '../sources.ts';
import { expectSent, listening } from './listening.ts';

const { must, should } = checksOf<AspspContext>('Real time delivery');
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const RESOURCE_UPDATE = 'UK.OBIE.Resource-Update';
const CONSENT_REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';

/** Registers, makes an event, and waits for its delivery. */
async function delivered(context: AspspContext): Promise<{ endpoint: CallbackEndpoint; delivery: Delivery }> {
  const endpoint = await listening(context);
  await context.makeEvent(context.first);
  return { endpoint, delivery: await expectSent(context, endpoint) };
}

async function expectNothing(context: AspspContext, endpoint: CallbackEndpoint, why: string): Promise<void> {
  // What came since the event was made counts, too.
  const isSent = await endpoint.untilCount(1, context.config.timing.quietMs);
  expect(!isSent, `no delivery, since ${why}`, 'a delivery');
}

const REQUEST_CHECKS = [
  must(
    'RT-01',
    'An event is sent to the callback URL by POST, to exactly the registered URL.',
    RT_STEPS,
    async (context) => {
      const { endpoint, delivery } = await delivered(context);
      expect(delivery.method === 'POST', 'POST', delivery.method);
      const { pathname } = new URL(endpoint.url);
      expect(delivery.path === pathname, `the path ${pathname}`, delivery.path);
    },
  ),
  must('RT-02', 'The media type is application/jwt.', RT_STEPS, async (context) => {
    const type = headerOf((await delivered(context)).delivery, 'content-type'.toLowerCase()) ?? 'none';
    expect(/^application\/jwt$/i.test(type.split(';')[0]?.trim() ?? ''), 'Content-Type: application/jwt', type);
  }),
  must('RT-03', 'The body is the SET and nothing else: a compact JWS.', RT_STEPS, async (context) => {
    const body = (await delivered(context)).delivery.body.toString('utf8');
    expect(COMPACT_JWS.test(body), 'a compact JWS', body.slice(0, 400));
    claimsOfSet(body);
  }),
  must('RT-04', 'Each delivery has an x-fapi-interaction-id that is a UUID.', RT, async (context) => {
    const id = headerOf((await delivered(context)).delivery, 'x-fapi-interaction-id');
    expect(id !== undefined && isUuid(id), 'x-fapi-interaction-id with a UUID', id ?? 'none');
  }),
  should('RT-05', 'A delivery has the x-fapi-financial-id of the bank.', RT, async (context) => {
    const { financialId } = context.config.bank;
    requires(financialId !== undefined, 'No x-fapi-financial-id is expected (bank.financialId).');
    const id = headerOf((await delivered(context)).delivery, 'x-fapi-financial-id');
    expect(id === financialId, `x-fapi-financial-id: ${financialId}`, id ?? 'none');
  }),
  must('RT-06', 'A delivery comes over TLS 1.2 or 1.3.', RT, async (context) => {
    const { tlsVersion } = (await delivered(context)).delivery;
    expect(['TLSv1.2', 'TLSv1.3'].includes(tlsVersion), 'TLSv1.2 or TLSv1.3', tlsVersion);
  }),
  must('RT-07', 'A receiver whose certificate the bank cannot trust is sent nothing.', RT, async (context) => {
    const endpoint = context.untrustedReceiver();
    await listening(context, { endpoint });
    await context.makeEvent(context.first);
    await expectNothing(context, endpoint, 'its certificate is of an unknown authority');
  }),
];

const SAME_CHECKS = [
  must(
    'RT-10',
    'A SET that is sent and one that is polled are one: the same jti and claims.',
    RT_STEPS,
    async (context) => {
      const { sent, polled } = await sentAndPolled(context);
      expect(polled.split('.')[1] === sent.split('.')[1], 'the same claims by poll as by delivery', polled);
    },
  ),
  should('RT-11', 'It is byte for byte the same.', RT_STEPS, async (context) => {
    const { sent, polled } = await sentAndPolled(context);
    expect(polled === sent, 'the same token by poll as by delivery', polled);
  }),
];

/** A SET whose delivery failed, and the same by poll. */
async function sentAndPolled(context: AspspContext): Promise<{ sent: string; polled: string }> {
  context.requirePolling();
  const endpoint = await listening(context);
  endpoint.answer(() => ({ status: 500 }));
  await context.makeEvent(context.first);
  const sent = (await expectSent(context, endpoint)).body.toString('utf8');
  const { jti } = claimsOfSet(sent);
  const { eventMs: timeoutMs } = context.config.timing;
  const answer = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.has(jti) });
  const polled = answer?.sets.get(jti) ?? fail(`${jti} by poll, since its delivery failed`, 'not offered');
  return { sent, polled };
}

const REGISTRATION_CHECKS = [
  must('RT-20', 'An event subscription supersedes the callback URL of the same client.', SUB, async (context) => {
    context.requireCallbackUrls();
    const [old, endpoint] = [context.receiver(), context.receiver()];
    context.requireEvents();
    await context.first.clear();
    const Version = context.registrationVersion;
    await context.first.create('callback-urls', { Url: old.url, Version });
    await context.first.create('event-subscriptions', { CallbackUrl: endpoint.url, Version });
    await context.makeEvent(context.first);
    await expectSent(context, endpoint);
    await expectNothing(context, old, 'the event subscription supersedes it');
    expect(
      old.deliveries.length === 0,
      'nothing at the superseded callback URL',
      `${old.deliveries.length} deliveries`,
    );
  }),
  must('RT-21', 'A callback URL alone receives resource-update.', CB, async (context) => {
    const endpoint = await listeningByCallbackUrl(context);
    await context.makeEvent(context.first, RESOURCE_UPDATE);
    await expectSent(context, endpoint);
  }),
  must('RT-22', 'A callback URL alone receives no other event type.', CB, async (context) => {
    context.requireEvents(CONSENT_REVOKED);
    const endpoint = await listeningByCallbackUrl(context);
    await context.makeEvent(context.first, CONSENT_REVOKED);
    await expectNothing(context, endpoint, 'callback URLs receive resource-update only');
  }),
  must('RT-23', 'After PUT with another CallbackUrl, events go there.', SUB, async (context) => {
    const old = await listening(context);
    const endpoint = context.receiver();
    const [found] = await context.first.list('event-subscriptions');
    const id = String(found?.['EventSubscriptionId']);
    const Data = { EventSubscriptionId: id, CallbackUrl: endpoint.url, Version: context.registrationVersion };
    const answer = await context.first.call('PUT', `event-subscriptions/${id}`, { body: { Data } });
    expect(answer.status === 200, 'status 200 to PUT', `status ${answer.status}`);
    await context.makeEvent(context.first);
    await expectSent(context, endpoint);
    expect(old.deliveries.length === 0, 'nothing at the former callback URL', `${old.deliveries.length} deliveries`);
  }),
  must('RT-24', 'After DELETE, nothing is sent any more.', SUB, async (context) => {
    const endpoint = await listening(context);
    await context.first.clear();
    // A bank may refuse to make an event for a client without a registration.
    await context.makeEvent(context.first).catch(() => undefined);
    await expectNothing(context, endpoint, 'its registration was deleted');
  }),
  must('RT-25', 'A subscription without a CallbackUrl is sent nothing.', SUB, async (context) => {
    context.requirePolling();
    const endpoint = await listening(context);
    const [found] = await context.first.list('event-subscriptions');
    const id = String(found?.['EventSubscriptionId']);
    const Data = { EventSubscriptionId: id, Version: context.registrationVersion };
    const answer = await context.first.call('PUT', `event-subscriptions/${id}`, { body: { Data } });
    expect(answer.status === 200, 'status 200 to PUT without a CallbackUrl', `status ${answer.status}`);
    await context.offeredEvent();
    await expectNothing(context, endpoint, 'the subscription has no CallbackUrl any more');
  }),
];

async function listeningByCallbackUrl(context: AspspContext): Promise<CallbackEndpoint> {
  context.requireCallbackUrls();
  context.requireEvents(RESOURCE_UPDATE);
  const endpoint = context.receiver();
  await context.first.clear();
  await context.first.create('callback-urls', { Url: endpoint.url, Version: context.registrationVersion });
  return endpoint;
}

/** Checks of section 4: the delivery itself. */
export const REAL_TIME_CHECKS = [...REQUEST_CHECKS, ...SAME_CHECKS, ...REGISTRATION_CHECKS];
