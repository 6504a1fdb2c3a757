import { type Rule, rule } from './rule.ts';

const RULES = 'test/rules/real-time.test.ts';
const ENGINE = 'packages/service/test/notify/engine.test.ts';
const UNRESPONSIVE = 'packages/service/test/notify/engine-unresponsive.test.ts';
const BREAKER = 'packages/service/test/notify/engine-breaker.test.ts';
const POLICY = 'packages/service/test/notify/retry-policy.test.ts';
const CLIENT = 'packages/service/test/net/callback-client.test.ts';
const UNTRUSTED = 'packages/service/test/net/untrusted.test.ts';
const DUPLICATES = 'packages/tpp/test/receiver-duplicates.test.ts';
const STORE = 'packages/service/test/store';

/** One exchange with a callback URL. */
const EXCHANGE_RULES: readonly Rule[] = [
  rule('4.post', 'A notification is a POST to the callback URL, of Content-Type application/jwt.', [
    RULES,
    '[4 request]',
  ]),
  rule(
    '4.interaction-id',
    'It carries x-fapi-interaction-id, a fresh UUID in each exchange.',
    [RULES, '[4 request]'],
    [ENGINE, 'the same bytes go out on every retry, under a fresh interaction id each time'],
  ),
  rule(
    '4.financial-id',
    'It carries x-fapi-financial-id exactly if that is configured.',
    [RULES, '[4 request]'],
    [ENGINE, 'x-fapi-financial-id is sent only where one is configured'],
  ),
  rule('4.tls', 'TLS is 1.2 or later.', [RULES, '[4 request]'], [CLIENT, 'TLS 1.1 is not spoken']),
  rule(
    '4.trust-anchor',
    'The certificate of the endpoint must chain to a root that the ASPSP accepts; otherwise nothing is sent.',
    [RULES, '[4 tls]'],
    [UNTRUSTED, 'a certificate … is refused as tls, before anything is sent'],
  ),
  rule('4.no-mutual-tls', 'Mutual TLS does not apply: no client certificate is sent, even if one is requested.', [
    RULES,
    '[4 request]',
  ]),
  rule(
    '4.only-202',
    'Only 202 acknowledges.',
    [RULES, '[4 failures]'],
    [ENGINE, '… is no acknowledgement: it is tried again'],
  ),
  rule(
    '4.echo',
    'The TPP echoes the interaction id.',
    [
      'packages/tpp/test/node-listener.test.ts',
      'a notification sent over TLS in small pieces reaches the handler whole',
    ],
    ['packages/tpp/test/receiver.test.ts', 'a missing or invalid interaction id gets a fresh one in the response'],
  ),
  rule(
    '4.echo-breach',
    'A 202 without the echo is an acknowledgement; the operator sees the breach.',
    [RULES, '[4 echo]'],
    [ENGINE, 'a 202 without the interaction id is an acknowledgement, and the breach is logged and kept'],
  ),
  rule(
    '4.no-redirect',
    'A redirect is never followed.',
    [RULES, '[4 failures]'],
    [CLIENT, 'a redirect is not followed'],
  ),
  rule(
    '4.failures',
    'Another status, no answer in time, a refused connection and a TLS failure are failed attempts, and are retried.',
    [RULES, '[4 failures]'],
    [RULES, '[4 tls]'],
  ),
];

/** The Event Notification Retry Policy. */
const POLICY_RULES: readonly Rule[] = [
  rule(
    '4.backoff',
    'The retry policy has an exponential backoff.',
    [POLICY, 'without jitter each wait is twice the one before, up to the longest'],
    [ENGINE, 'retries come when the policy says, each from the end of the attempt before'],
  ),
  rule(
    '4.retries-max',
    'It has a maximum number of retries.',
    [POLICY, 'attempts cease after the last retry, not before'],
    [RULES, '[4 unresponsive]'],
  ),
  rule('4.interval-max', 'It has a maximum time interval for retries.', [
    POLICY,
    'a retry may fall on the end of the interval, but not after it',
  ]),
  rule(
    '4.unresponsive',
    'At either limit the endpoint is declared unresponsive, and further attempts stop.',
    [
      UNRESPONSIVE,
      'past the last retry attempts cease for all of the callback URL, which is logged; everything stays awaiting',
    ],
    [
      BREAKER,
      'a TPP that is dead for the whole interval is unresponsive, although the breaker spares each notification',
    ],
    [RULES, '[4 unresponsive]'],
  ),
  rule(
    '4.retry-after',
    'Retry-After is honoured on 429 and 503, in every form that it may have.',
    [ENGINE, 'Retry-After counts on 429 and 503, and on nothing else'],
    [ENGINE, 'after a 503 with Retry-After "…" the retry waits … ms'],
  ),
  rule(
    '4.retry-after-limits',
    'It is honoured within the limits of the policy only.',
    [POLICY, 'Retry-After lengthens a wait, never shortens it, and never beyond the longest'],
    [POLICY, 'whatever the policy, no retry comes beyond its limits'],
  ),
  rule(
    '4.gone',
    '410 Gone ends the attempts at once.',
    [POLICY, '410 Gone ends the attempts at once, whatever else it says'],
    [UNRESPONSIVE, '410 makes a callback URL unresponsive at once'],
  ),
];

/** What is not acknowledged. */
const AWAITING_RULES: readonly Rule[] = [
  rule(
    '4.stays-awaiting',
    'Unacknowledged notifications stay awaiting, and can be collected by polling.',
    [RULES, '[4 unresponsive]'],
    [`${STORE}/contract-polling.ts`, 'what has ceased to be pushed can still be collected'],
  ),
  rule(
    '4.sent-again',
    'They are sent again once the endpoint has recovered.',
    [UNRESPONSIVE, 'a probe that is acknowledged makes it recover: what is awaiting is sent, oldest first'],
    [UNRESPONSIVE, 'a replaced registration makes it recover with a whole round, and the operator can'],
    [RULES, '[4 unresponsive]'],
  ),
  rule(
    '4.nothing-lost',
    'Nothing else about an unresponsive endpoint loses an event.',
    [
      `${STORE}/contract-model.ts`,
      'whatever happens in whatever order, nothing accepted is lost and no two live leases meet',
    ],
    [`${STORE}/contract-unresponsive.ts`, 'has what ceased awaiting, and is marked with the end of the attempt'],
  ),
  rule(
    '4.at-least-once',
    'A TPP may see a notification twice, and recognises it by its jti.',
    [RULES, '[4 at-least-once]'],
    [DUPLICATES, 'a notification that was handled is acknowledged again, without the handler'],
  ),
];

/** Real time delivery. */
export const SECTION_4: readonly Rule[] = [...EXCHANGE_RULES, ...POLICY_RULES, ...AWAITING_RULES];
