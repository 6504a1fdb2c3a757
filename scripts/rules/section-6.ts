import { type Rule, rule } from './rule.ts';

const EVENTS = 'test/polling/events.test.ts';
const LONG_POLL = 'test/polling/long-poll.test.ts';
const STORE = 'packages/service/test/store/contract-polling.ts';
const AUTHENTICATION = 'test/registrations/authentication.test.ts';
const NOTES = 'test/openapi/portal-notes.test.ts';
const RULES = 'test/rules/polling.test.ts';

/** POST /events. */
export const SECTION_6: readonly Rule[] = [
  rule('6.all-optional', 'Every member of a poll is optional.', [EVENTS, '[6 answer-shape]']),
  rule('6.request-shape', 'A poll with any other member is refused.', [EVENTS, '[6 request-shape]']),
  rule('6.max-events', 'maxEvents is a whole number from 0 up, and limits the number of SETs.', [
    EVENTS,
    '[6 max-events]',
  ]),
  rule('6.max-events-form', 'A negative maxEvents, a fraction or a string is refused.', [EVENTS, '[6 request-shape]']),
  rule('6.max-events-0', 'maxEvents 0 only acknowledges.', [EVENTS, '[6 max-events-0]']),
  rule(
    '6.return-immediately',
    'returnImmediately is a boolean; without it a poll is answered at once.',
    [EVENTS, '[6 request-shape]'],
    [LONG_POLL, '[6 return-immediately-default]'],
  ),
  rule(
    '6.long-poll',
    'returnImmediately false waits for the next event, up to a limit.',
    [LONG_POLL, '[6 long-poll-woken]'],
    [LONG_POLL, '[6 long-poll-limit]'],
  ),
  rule('6.long-poll-off', 'An ASPSP may choose not to hold polls; we can.', [LONG_POLL, '[6 long-poll-off]']),
  rule(
    '6.ack',
    'ack is a list of jtis, which acknowledges them.',
    [EVENTS, '[6 request-shape]'],
    [EVENTS, '[6 ack-before-answer]'],
  ),
  rule(
    '6.set-errs',
    'setErrs gives err, of at most 40 characters, and description, of at most 256, for each jti.',
    [EVENTS, '[6 request-shape]'],
    [EVENTS, '[6 set-errs-awaiting]'],
  ),
  rule('6.sets', 'The response is 200; sets maps each jti to a compact JWS.', [EVENTS, '[6 sets]']),
  rule('6.sets-empty', 'sets is an empty object if there are none.', [EVENTS, '[6 answer-shape]']),
  rule(
    '6.more-available',
    'moreAvailable is always present, and true exactly if more is available.',
    [EVENTS, '[6 answer-shape]'],
    [EVENTS, '[6 more-available]'],
  ),
  rule('6.ack-own-only', 'A TPP can acknowledge only its own notifications; unknown jtis are ignored.', [
    EVENTS,
    '[6 ack-own-only]',
  ]),
  rule(
    '6.ack-before-answer',
    'Acknowledgements are applied before the response is computed, and before a long poll waits.',
    [EVENTS, '[6 ack-before-answer]'],
    [LONG_POLL, '[6 long-poll-acks-first]'],
  ),
  rule('6.set-errs-awaiting', 'A notification that is reported as an error stays awaiting, and is offered again.', [
    EVENTS,
    '[6 set-errs-awaiting]',
  ]),
  rule(
    '6.set-errs-recorded',
    'The operator sees the report.',
    [EVENTS, '[6 set-errs-awaiting]'],
    ['test/registry/registered-tpp.test.ts', 'a notification shows the errors that the TPP reported'],
  ),
  rule('6.set-errs-codes', 'Codes of the draft, of RFC 8935 and unknown codes are accepted.', [
    EVENTS,
    '[6 set-errs-codes]',
  ]),
  rule('6.ack-wins', 'A jti that is acknowledged and reported in one poll is acknowledged.', [EVENTS, '[6 ack-wins]']),
  rule('6.push-ack-not-offered', 'A notification acknowledged by a 202 is not offered in polls.', [
    EVENTS,
    '[6 push-ack-not-offered]',
  ]),
  rule('6.poll-ack-not-sent', 'A notification acknowledged in a poll is no longer pushed.', [
    EVENTS,
    '[6 poll-ack-not-sent]',
  ]),
  rule(
    '6.catch-up',
    'A TPP with a callback URL can collect by polling what could not be delivered.',
    ['test/registrations/effects.test.ts', '[2 polling-in-either-case]'],
    [STORE, 'what has ceased to be pushed can still be collected'],
  ),
  rule('6.needs-registration', 'Without an event subscription polling is 403.', [EVENTS, '[6 needs-registration]']),
  rule('6.any-scope', 'The scopes of registrations are enough.', [EVENTS, '[6 any-scope]']),
  rule('6.eventpolling-scope', 'So is eventpolling, on v3.1.', [EVENTS, '[6 eventpolling-scope]']),
  rule('6.mutual-tls', 'Polling needs mutual TLS.', [RULES, '[6 mutual-tls]']),
  rule(
    '6.token',
    'Polling needs a token, bound to the certificate.',
    [AUTHENTICATION, '… is 401 without a body, everywhere [7 token-invalid-401]'],
    [AUTHENTICATION, '[8 token-bound]'],
  ),
  rule('6.client-credentials-only', 'A token authorised by a customer is refused.', [
    EVENTS,
    '[6 client-credentials-only]',
  ]),
  rule(
    '6.no-idempotency-key',
    'x-idempotency-key has no effect.',
    [RULES, '[6 no-idempotency-key]'],
    ['test/registrations/errors.test.ts', '[6 no-idempotency-key]'],
  ),
  rule(
    '6.documented',
    'The bank documents the limit, the default, long polls, the interval, retention and re-offers.',
    [NOTES, 'the notes hold what the configuration sets, in words'],
  ),
];
