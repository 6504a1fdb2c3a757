import { type Rule, rule } from './rule.ts';

const RULES = 'test/rules/participants.test.ts';
const FLOW = 'test/flow/real-time-flow.test.ts';
const AUTHORISATION = 'packages/sandbox/test/authorisation-server.test.ts';
const RESOURCES = 'packages/sandbox/test/resource-server.test.ts';
const REAL_TIME = 'test/rules/real-time.test.ts';
const RECEIVER = 'packages/tpp/test/receiver.test.ts';
const FETCHED = 'packages/tpp/test/resources.test.ts';

/** The participants, and the flow from the event to the resource. */
export const SECTION_1: readonly Rule[] = [
  rule(
    '1.authorisation-server',
    'The ASPSP Authorisation Server issues access tokens by the client credentials grant, over mutual TLS.',
    [AUTHORISATION, 'is issued over mutual TLS, with the claims of RFC 9068 and bound to the certificate presented'],
    [AUTHORISATION, 'every other grant'],
    [AUTHORISATION, 'a client without a certificate, in …'],
  ),
  rule(
    '1.authorisation-server-tls',
    'It speaks TLS 1.2 and 1.3, and nothing older.',
    [AUTHORISATION, 'the handshake refuses'],
    ['packages/sandbox/test/pki.test.ts', 'for transport carry a mutual TLS handshake in …, either way'],
  ),
  rule(
    '1.resource-server',
    'The ASPSP Resource Server serves the resources that events are about, over mutual TLS.',
    [RESOURCES, 'after … its owner reads the resource under every link of the event'],
    [RESOURCES, 'without a client certificate, or with a foreign one, there is no connection'],
  ),
  rule(
    '1.notification-service',
    'The ASPSP Notification Service manages registrations; it creates, signs and sends notifications, and retries by policy.',
    ['test/registrations/operations.test.ts', '[2 create-201]'],
    ['test/rules/event-notifications.test.ts', '[3 signed]'],
    [REAL_TIME, '[4 failures]'],
  ),
  rule('1.polling-service', 'The ASPSP Event Polling Service answers POST /events.', [
    'test/polling/events.test.ts',
    '[6 sets]',
  ]),
  rule(
    '1.tpp',
    'The TPP registers, receives at its callback URL, verifies, acknowledges, and may fetch the resource.',
    [FLOW, 'plays to its end for …'],
    [RECEIVER, 'a good notification reaches the handler and is acknowledged with 202 and no body'],
  ),
  rule('1.owner', 'An event goes to the TPP that owns the affected resource, and to no other.', [RULES, '[1 owner]']),
  rule(
    '1.registration-found',
    'It is sent as the registration of that TPP says; without a registration no notification is created.',
    [FLOW, 'an event before any registration makes no notification, and says why'],
  ),
  rule('1.signed-and-posted', 'The notification is signed and sent by POST to the callback URL.', [
    REAL_TIME,
    '[4 request]',
  ]),
  rule('1.retried', 'A 500, a 400, or no answer is followed by a retry, as the policy says; 202 ends it.', [
    FLOW,
    'plays to its end for …',
  ]),
  rule('1.verified', 'The TPP trusts nothing whose signature it has not verified.', [
    RECEIVER,
    '… is refused with … and the body of RFC 8935',
  ]),
  rule(
    '1.fetched',
    'A TPP that wants the resource gets a token over mutual TLS, and fetches the rlk link with it, also over mutual TLS.',
    [FLOW, 'a payment that changed status is announced by a resource-update, and read in its new status'],
    [FETCHED, 'the resource of a link is fetched over mutual TLS with the token'],
  ),
  rule(
    '1.one-client-id',
    'A TPP is one client_id; an organisation may have several, each of which is a separate TPP.',
    [RULES, '[1 one-client-id]'],
  ),
];
