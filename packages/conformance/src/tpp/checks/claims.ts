import {
  CONSENT_AUTHORIZATION_REVOKED,
  HEADER_IAT,
  JSON_DEPTH_MAX,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  RESOURCE_UPDATE,
} from '@tidings/protocol';
import { changed, withMemberTwice } from '../forge.ts';
import { afterBaseline, checksOf, claimVariants, expectOfAll, isRefused, skipped, tokenVariants } from '../judge.ts';
import { EN_RESOURCE, rfc } from '../sources.ts';

const { refuses, check } = checksOf('Claims');

const DAY_SECONDS = 86_400;
const ID_CHARS_TOO_MANY = 129;
const DEPTH_HOSTILE = JSON_DEPTH_MAX * 300;

/** Checks of claims, in tokens that the bank's key signed. */
export const CLAIM_CHECKS = [
  refuses(
    'must',
    {
      id: 'TPP-CLM-01',
      title: 'A notification for another client is refused',
      source: `${EN_RESOURCE}; ${rfc(7519, '4.1.3')}`,
      rule: 'aud is the client_id of the TPP. Without this check, what the bank sent to one TPP can be sent on to any other.',
      remedy: 'Compare aud with your client_id at this bank.',
    },
    (context) =>
      claimVariants(context, [
        ['another client', { aud: `not-${context.bank.identity.clientId}` }],
        ['the beginning of the client_id', { aud: context.bank.identity.clientId.slice(0, -1) }],
        ['an empty text', { aud: '' }],
        ['missing', { aud: undefined }],
        ['a list of others', { aud: ['somebody', 'somebody-else'] }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-02',
      title: 'A notification of another issuer is refused',
      source: `${EN_RESOURCE}; ${rfc(7519, '4.1.1')}`,
      remedy: 'Compare iss with the issuer of the bank, character by character.',
    },
    (context) =>
      claimVariants(context, [
        ['another bank', { iss: 'https://another-bank.example' }],
        ['more behind it', { iss: `${context.bank.identity.issuer}.evil.example` }],
        ['missing', { iss: undefined }],
        ['a number', { iss: 1 }],
      ]),
  ),
  refuses(
    'should',
    {
      id: 'TPP-CLM-03',
      title: 'A notification that was created in the future is refused',
      source: rfc(7519, '4.1.6'),
      rule: 'iat is the time at which the token was made: one in the future is a mistake or a forgery.',
      remedy: 'Refuse an iat that is more than a minute or so ahead.',
    },
    (context) => claimVariants(context, [['a day ahead', { iat: context.bank.nowSeconds() + DAY_SECONDS }]]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-04',
      title: 'A notification that has expired is refused',
      source: rfc(7519, '4.1.4'),
      rule: 'Notifications of the standard have no exp. Where a token has one, it must not be accepted on or after that time.',
      remedy: 'Refuse a token with an exp in the past, or in the form of a text.',
    },
    (context) => {
      const now = context.bank.nowSeconds();
      return claimVariants(context, [['a day ago', { iat: now - 2 * DAY_SECONDS, exp: now - DAY_SECONDS }]]);
    },
  ),
  check(
    'should',
    {
      id: 'TPP-CLM-05',
      title: 'A notification that is older than the TPP’s own limit is refused',
      source: rfc(7519, '4.1.6'),
      rule: 'The standard sets no limit. A TPP that sets one, as the configuration says, should keep to it.',
      remedy: 'Compare iat with your limit, or take iatAgeSecondsMax out of the configuration.',
    },
    afterBaseline(async (context) => {
      const limit = context.config.iatAgeSecondsMax;
      if (limit === undefined) {
        return skipped(
          'The configuration names no iatAgeSecondsMax: the standard sets no age at which a notification is too old.',
        );
      }
      const iat = context.bank.nowSeconds() - limit - DAY_SECONDS;
      const token = context.bank.token({ header: { [HEADER_IAT]: iat }, claims: { iat, toe: iat } });
      return expectOfAll(context, tokenVariants([['a day over the limit', token]]), {
        holds: isRefused,
        expected: 'it is refused with a status of 400 to 499, such as 400',
      });
    }),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-06',
      title: 'A notification without a jti, or with one that is not a text of 1 to 128 characters, is refused',
      source: `${EN_RESOURCE}; ${rfc(8417, '2.2')}`,
      rule: 'The jti identifies the notification: without it a TPP cannot tell a second delivery from a second event.',
      remedy: 'Demand jti, a text of 1 to 128 characters.',
    },
    (context) =>
      claimVariants(context, [
        ['missing', { jti: undefined }],
        ['an empty text', { jti: '' }],
        ['a number', { jti: 17 }],
        ['129 characters', { jti: 'x'.repeat(ID_CHARS_TOO_MANY) }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-07',
      title: 'A notification that lacks a mandatory claim is refused',
      source: EN_RESOURCE,
      remedy: 'Demand iss, iat, jti, aud, sub, txn, toe and events.',
    },
    (context) =>
      claimVariants(
        context,
        ['iat', 'sub', 'txn', 'toe', 'events'].map((name) => [`no ${name}`, { [name]: undefined }]),
      ),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-08',
      title: 'A notification whose events are not an object with at least one member is refused',
      source: rfc(8417, '2.2'),
      remedy: 'Demand events, an object whose members are objects, at least one.',
    },
    (context) =>
      claimVariants(context, [
        ['an empty object', { events: {} }],
        ['a list', { events: [RESOURCE_UPDATE] }],
        ['a text', { events: RESOURCE_UPDATE }],
        ['an event that is a text', { events: { [RESOURCE_UPDATE]: 'updated' } }],
      ]),
  ),
  refuses(
    'should',
    {
      id: 'TPP-CLM-09',
      title: 'An event without the subject that it needs is refused',
      source: EN_RESOURCE,
      rule: 'A resource-update always has a subject; a revocation has one where the same token has no resource-update. Without it nobody knows which resource is meant.',
      remedy: 'Demand the subject, with its id, its type and at least one link.',
    },
    (context) => {
      const { subject_type, ...subject } = context.bank.subject({ type: 'domestic-payment' });
      const whole = { subject_type, ...subject };
      const lacking = (name: string) => ({
        events: { [RESOURCE_UPDATE]: { subject: changed(whole, { [name]: undefined }) } },
      });
      return claimVariants(context, [
        ['resource-update', { events: { [RESOURCE_UPDATE]: {} } }],
        ['a revocation alone', { events: { [CONSENT_AUTHORIZATION_REVOKED]: {} } }],
        ...[RESOURCE_ID, RESOURCE_TYPE, RESOURCE_LINKS].map(
          (name) => [`a subject without ${name}`, lacking(name)] as const,
        ),
        ['no link', { events: { [RESOURCE_UPDATE]: { subject: { ...whole, [RESOURCE_LINKS]: [] } } } }],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-10',
      title: 'Times that are not numbers are refused',
      source: `${EN_RESOURCE}; ${rfc(7519, '2')}`,
      remedy: 'Demand JSON numbers of seconds.',
    },
    (context) =>
      claimVariants(context, [
        ['iat is a text', { iat: String(context.bank.nowSeconds()) }],
        ['iat is a date', { iat: new Date(context.bank.nowSeconds() * 1000).toISOString() }],
        ['toe is a text', { toe: String(context.bank.nowSeconds()) }],
        ['toe is null', { toe: null }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-11',
      title: 'A claim that is there twice does not make a bad notification good',
      source: rfc(7519, '4'),
      rule: 'Names of claims are unique. Who does not refuse a name that is there twice takes its last value, which is the bad one here.',
      remedy: 'Parse claims with a parser that refuses members that are there twice.',
    },
    ({ bank }) => {
      const foreign = bank.claims({ aud: 'somebody-else' });
      const forged = bank.claims({ iss: 'https://another-bank.example' });
      return tokenVariants([
        [
          'aud: the TPP, then another',
          bank.sign(bank.header(), withMemberTwice(foreign, 'aud', bank.identity.clientId)),
        ],
        ['iss: the bank, then another', bank.sign(bank.header(), withMemberTwice(forged, 'iss', bank.identity.issuer))],
      ]);
    },
  ),
  refuses(
    'should',
    {
      id: 'TPP-CLM-12',
      title: 'Claims with a member that is there twice are refused whichever value is good',
      source: rfc(7519, '4'),
      rule: 'Two readers of one signed token must see the same claims. Parsers differ in which of two values they take.',
      remedy: 'Parse claims with a parser that refuses members that are there twice, at any depth.',
    },
    ({ bank }) => {
      const twice = (name: string, first: unknown) =>
        bank.sign(bank.header(), withMemberTwice(bank.claims(), name, first));
      const subject = withMemberTwice(bank.subject({ type: 'domestic-payment' }), RESOURCE_ID, 'another');
      const deep = JSON.stringify(bank.claims({ events: 0 })).replace(
        '"events":0',
        `"events":{"${RESOURCE_UPDATE}":{"subject":${subject}}}`,
      );
      return tokenVariants([
        ['aud: another, then the TPP', twice('aud', 'somebody-else')],
        ['jti: another, then its own', twice('jti', 'another')],
        ['the resource id', bank.sign(bank.header(), deep)],
        [
          'an escaped name',
          bank.sign(bank.header(), `{"\\u0061ud":"somebody-else",${JSON.stringify(bank.claims()).slice(1)}`),
        ],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-13',
      title: 'A payload that is no JSON object is refused',
      source: rfc(7519, '7.2'),
      remedy: 'Answer 400 to it. A parser’s exception must not become a 500.',
    },
    ({ bank }) =>
      tokenVariants(
        (
          [
            ['no JSON', '{"iss":'],
            ['a list', '[]'],
            ['null', 'null'],
            ['a text', '"notification"'],
            ['nothing', ''],
            ['no UTF-8', Buffer.concat([Buffer.from('{"iss":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])],
          ] as const
        ).map(([name, payload]) => [name, bank.sign(bank.header(), payload)]),
      ),
  ),
  refuses(
    'must',
    {
      id: 'TPP-CLM-14',
      title: 'A payload that is nested very deeply is refused, and does no harm',
      source: rfc(8259, '9'),
      rule: 'A parser may limit the depth. One that does not must not fall over.',
      remedy: 'Limit the depth of JSON, and answer 400.',
    },
    ({ bank }) => {
      const deep = `${'['.repeat(DEPTH_HOSTILE)}${']'.repeat(DEPTH_HOSTILE)}`;
      const claims = JSON.stringify(bank.claims({ jti: undefined, more: 0 })).replace('"more":0', `"more":${deep}`);
      return tokenVariants([['9,600 levels', bank.sign(bank.header(), claims)]]);
    },
  ),
];
