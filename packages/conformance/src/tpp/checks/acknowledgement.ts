import { FINANCIAL_ID_HEADER, HEADER_IAT, INTERACTION_ID_HEADER, isUuid } from '@tidings/protocol';
import type { Outcome } from '../../model.ts';
import type { TppContext } from '../context.ts';
import { described, headerOf } from '../endpoint.ts';
import { afterBaseline, checksOf, expectOfAll, failed, isAcknowledged, isRefused, passed } from '../judge.ts';
import { EN_RESOURCE, RT, RW_HEADERS, rfc } from '../sources.ts';

const { acknowledges, check } = checksOf('Acknowledgement');

const DAY_SECONDS = 86_400;
const OLD_DAYS = 30;
const COPIES = 3;

/** Checks of the response to good notifications. */
export const ACKNOWLEDGEMENT_CHECKS = [
  check(
    'must',
    {
      id: 'TPP-ACK-01',
      title: 'A good notification is acknowledged with 202',
      source: `${EN_RESOURCE}; ${rfc(8935, '2.2')}`,
      rule: 'Only 202 (Accepted) acknowledges. After any other status, 200 included, the bank delivers the notification again, and at the end of its retry policy declares the callback URL unresponsive.',
      remedy:
        'Answer 202 when the notification is verified and stored. If it was refused, compare issuer, organisation id, client id, trust anchor and JWKS with the configuration of this run.',
    },
    async ({ baseline, jwks }) => {
      const answer = await baseline();
      if (isAcknowledged(answer)) return passed;
      const hasKeys = jwks === undefined || jwks.requestCount() > 0;
      return failed(
        '202 Accepted',
        `${described(answer)}${hasKeys ? '' : `; nobody has fetched the JWKS at ${jwks.url}`}`,
      );
    },
  ),
  check(
    'must',
    {
      id: 'TPP-ACK-02',
      title: 'The response to a notification echoes its x-fapi-interaction-id',
      source: RW_HEADERS,
      rule: 'The response carries the x-fapi-interaction-id of its request. With it both sides find the same delivery in their logs; each attempt has an id of its own.',
      remedy: 'Copy the value of the request header x-fapi-interaction-id into the same header of the response.',
    },
    (context) => echoed(context, [context.bank.token(), context.bank.token()], isAcknowledged),
  ),
  check(
    'must',
    {
      id: 'TPP-ACK-03',
      title: 'The body of the 202 is empty',
      source: rfc(8935, '2.2'),
      remedy: 'Send the 202 without a body.',
    },
    async (context) =>
      expectOfAll(context, [{ name: '', delivery: { token: context.bank.token() } }], {
        holds: (answer) => isAcknowledged(answer) && answer.body === '',
        expected: '202 Accepted with an empty body',
      }),
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-ACK-04',
      title: 'The same notification again is acknowledged again',
      source: rfc(8935, '2'),
      rule: 'Delivery is at least once: a bank that did not see the 202 sends the same token again. The recipient responds as if it had not seen it before, and acts on it once, by its jti.',
      remedy: 'Answer 202 to a notification whose jti is known already.',
    },
    ({ bank }) => {
      const token = bank.token();
      return [1, 2, 3].map((time) => ({ name: `delivery ${time}`, delivery: { token } }));
    },
  ),
  check(
    'must',
    {
      id: 'TPP-ACK-05',
      title: 'Copies of a notification that come at the same time are all acknowledged',
      source: rfc(8935, '2'),
      rule: 'A bank may deliver again while its first delivery is still under way, such as after a timeout.',
      remedy:
        'Let a copy wait for the one that is being handled, and answer it 202 too. A unique key on jti that fails must not become a 500.',
    },
    async ({ endpoint, bank }) => {
      const token = bank.token();
      const answers = await Promise.all(Array.from({ length: COPIES }, () => endpoint.deliver({ token })));
      const others = answers.filter((answer) => !isAcknowledged(answer));
      return others.length === 0 ? passed : failed(`202 to each of ${COPIES} copies`, others.map(described).join('; '));
    },
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-ACK-06',
      title: 'x-fapi-financial-id is accepted, and not demanded',
      source: `${EN_RESOURCE}; ${RW_HEADERS}`,
      rule: 'The OpenAPI document of the standard has the header, the examples of the profile leave it out: banks do both.',
      remedy: 'Ignore x-fapi-financial-id. It identifies nobody: the signature does.',
    },
    ({ bank }) =>
      (['0015800001041RHAAY', undefined] as const).map((value) => ({
        name: value === undefined ? 'without the header' : 'with the header',
        delivery: { token: bank.token(), headers: { [FINANCIAL_ID_HEADER]: value } },
      })),
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-ACK-07',
      title: 'A notification that was created long ago is acknowledged',
      source: `${RT}, Event Notification Retry Policy`,
      rule: 'A token keeps its claims over every retry, so that one which comes after an outage is old. The standard sets no age at which a notification is too old.',
      remedy: 'Do not limit the age of iat, or allow more than the longest outage that you want to survive.',
    },
    ({ bank, config }) => {
      const limit = config.iatAgeSecondsMax;
      const ageSeconds = limit === undefined ? OLD_DAYS * DAY_SECONDS : Math.floor(limit / 2);
      const iat = bank.nowSeconds() - ageSeconds;
      const token = bank.token({ header: { [HEADER_IAT]: iat }, claims: { iat, toe: iat } });
      return [{ name: `created ${Math.round(ageSeconds / 3600)} hours ago`, delivery: { token } }];
    },
  ),
  check(
    'should',
    {
      id: 'TPP-ACK-08',
      title: 'A refusal has the x-fapi-interaction-id of its request too',
      source: RW_HEADERS,
      remedy: 'Set the header x-fapi-interaction-id on every response, refusals included.',
    },
    afterBaseline((context) => echoed(context, [context.bank.token({ claims: { aud: 'somebody-else' } })], isRefused)),
  ),
  check(
    'should',
    {
      id: 'TPP-ACK-09',
      title: 'A response to a request without x-fapi-interaction-id has a new one, a UUID',
      source: RW_HEADERS,
      rule: 'Whoever gets no id makes one, so that every exchange can be found by one.',
      remedy: 'Make a random UUID where the header is missing, and respond with it.',
    },
    async (context) =>
      expectOfAll(
        context,
        [{ name: '', delivery: { token: context.bank.token(), headers: { [INTERACTION_ID_HEADER]: undefined } } }],
        {
          holds: (answer) => answer.kind === 'answered' && isUuid(headerOf(answer, INTERACTION_ID_HEADER) ?? ''),
          expected: 'a response with a UUID in x-fapi-interaction-id',
        },
      ),
  ),
];

async function echoed(
  { endpoint }: TppContext,
  tokens: readonly string[],
  isExpected: typeof isAcknowledged,
): Promise<Outcome> {
  for (const token of tokens) {
    const answer = await endpoint.deliver({ token });
    if (!isExpected(answer)) return failed('a response that can be looked at', described(answer));
    const returned = headerOf(answer, INTERACTION_ID_HEADER);
    if (returned?.toLowerCase() !== answer.interactionId?.toLowerCase()) {
      const actual = returned === undefined ? 'no such header' : `x-fapi-interaction-id: ${returned}`;
      return failed(`x-fapi-interaction-id: ${answer.interactionId}`, actual);
    }
  }
  return passed;
}
