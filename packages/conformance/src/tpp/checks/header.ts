import { HEADER_IAT, HEADER_ISS, HEADER_TAN } from '@tidings/protocol';
import { changed, hmac, withMemberTwice } from '../forge.ts';
import { checksOf, headerVariants, tokenVariants } from '../judge.ts';
import { EN_RESOURCE, RW_SIGNING, rfc } from '../sources.ts';

const { acknowledges, refuses } = checksOf('JOSE header');

const CRITICAL = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
const DAY_SECONDS = 86_400;

/** Checks of the JOSE header of tokens, signed by the bank's key. */
export const HEADER_CHECKS = [
  acknowledges(
    'must',
    {
      id: 'TPP-HDR-01',
      title: 'typ may be absent or JOSE, and cty absent, json or application/json',
      source: RW_SIGNING,
      remedy: 'Demand neither typ nor cty.',
    },
    (context) =>
      headerVariants(context, [
        ['neither', {}],
        ['typ JOSE', { typ: 'JOSE' }],
        ['cty json', { cty: 'json' }],
        ['cty application/json', { cty: 'application/json' }],
      ]),
  ),
  acknowledges(
    'may',
    {
      id: 'TPP-HDR-02',
      title: 'typ may be JWT or secevent+jwt',
      source: `${EN_RESOURCE}; ${rfc(8417, '2.3')}`,
      rule: 'The examples of the standard have JWT, and RFC 8417 recommends secevent+jwt: banks send both.',
      remedy: 'Accept these two values of typ.',
    },
    (context) =>
      headerVariants(context, [
        ['JWT', { typ: 'JWT' }],
        ['secevent+jwt', { typ: 'secevent+jwt' }],
      ]),
  ),
  acknowledges(
    'must',
    {
      id: 'TPP-HDR-03',
      title: 'The members of the header and of crit may have any order, and white space between them',
      source: `${rfc(7515, '4.1.11')}; ${rfc(8259, '4')}`,
      remedy: 'Compare crit as a set, and parse the header as JSON.',
    },
    ({ bank }) => {
      const header = bank.header({ crit: CRITICAL.toReversed() });
      const reversed = Object.fromEntries(Object.entries(header).toReversed());
      return tokenVariants([
        ['another order', bank.sign(reversed, bank.claims())],
        ['white space', bank.sign(JSON.stringify(header, undefined, 2), JSON.stringify(bank.claims(), undefined, 2))],
      ]);
    },
  ),
  acknowledges(
    'may',
    {
      id: 'TPP-HDR-04',
      title: 'The time of signing may have a fraction',
      source: RW_SIGNING,
      rule: 'The member is a JSON number of seconds; some banks send 1700000000.123.',
      remedy: 'Read http://openbanking.org.uk/iat as a number.',
    },
    (context) => headerVariants(context, [['a fraction', { [HEADER_IAT]: context.bank.nowSeconds() - 0.5 }]]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-05',
      title: 'A kid that is not in the bank’s JWKS is refused',
      source: RW_SIGNING,
      remedy: 'Look the key up by kid in the JWKS of the bank, and refuse what is not there. Do not try all keys.',
    },
    (context) =>
      headerVariants(context, [
        ['an unknown kid', { kid: `unknown-${context.bank.uuid()}` }],
        ['a kid in another case', { kid: otherCase(context.bank.identity.key.kid) }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-06',
      title: 'A token without a kid, or with one that is not a text, is refused',
      source: RW_SIGNING,
      remedy: 'Demand kid, a text that is not empty.',
    },
    (context) =>
      headerVariants(context, [
        ['no kid', { kid: undefined }],
        ['an empty kid', { kid: '' }],
        ['a number', { kid: 1 }],
        ['a list', { kid: [context.bank.identity.key.kid] }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-07',
      title: 'A kid that reads like a path or a query is an unknown kid',
      source: rfc(8725, '3.10'),
      rule: 'The kid comes from whoever sent the token. It is data for a lookup, no part of a file name or of a statement.',
      remedy: 'Look the kid up in a map of the keys.',
    },
    ({ bank }) =>
      tokenVariants(
        ['/dev/null', '../../../../../dev/null', "' UNION SELECT 'x", '__proto__', 'constructor', '$(id)'].map(
          (kid) => [kid, bank.token({ header: { kid, alg: 'HS256' }, signing: hmac('') })],
        ),
      ),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-08',
      title: 'A token without crit, or with one that lacks a member, is refused',
      source: RW_SIGNING,
      rule: 'crit names exactly the three members of the standard: time, issuer and trust anchor.',
      remedy: 'Demand crit, and each of the three names in it.',
    },
    (context) =>
      headerVariants(context, [
        ['no crit', { crit: undefined }],
        ...CRITICAL.map((name) => [`without ${name}`, { crit: CRITICAL.filter((each) => each !== name) }] as const),
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-09',
      title: 'A crit that names what the receiver does not understand is refused',
      source: rfc(7515, '4.1.11'),
      rule: 'That is what crit is for: who does not understand a critical member must not use the token.',
      remedy:
        'Compare crit with the three names of the standard. Many libraries do it when they are given these names.',
    },
    (context) => {
      const unknown = 'http://bank.example/unknown';
      return headerVariants(context, [
        ['with the member', { [unknown]: true, crit: [...CRITICAL, unknown] }],
        ['without the member', { crit: [...CRITICAL, unknown] }],
        ['a registered name', { crit: [...CRITICAL, 'alg'] }],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-10',
      title: 'A crit that is not a list of different texts is refused',
      source: rfc(7515, '4.1.11'),
      remedy: 'Demand a list of texts that is not empty and has no member twice.',
    },
    (context) =>
      headerVariants(context, [
        ['an empty list', { crit: [] }],
        ['a text', { crit: CRITICAL.join(' ') }],
        ['a member twice', { crit: [...CRITICAL, HEADER_IAT] }],
        ['a number in it', { crit: [...CRITICAL.slice(1), 1] }],
        ['null', { crit: null }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-11',
      title: 'A token that was signed by somebody else is refused',
      source: RW_SIGNING,
      rule: 'http://openbanking.org.uk/iss is the organisation id of the bank.',
      remedy: 'Compare http://openbanking.org.uk/iss with the organisation id of the bank, from your configuration.',
    },
    (context) =>
      headerVariants(context, [
        ['another organisation', { [HEADER_ISS]: '001580000000000XXX' }],
        ['the issuer of the claims', { [HEADER_ISS]: `${context.bank.identity.issuer}/x` }],
        ['more behind it', { [HEADER_ISS]: `${context.bank.identity.organisationId}/software` }],
        ['missing', { [HEADER_ISS]: undefined }],
        ['an empty text', { [HEADER_ISS]: '' }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-12',
      title: 'A trust anchor that is not on the list of the TPP is refused',
      source: RW_SIGNING,
      remedy:
        'Compare http://openbanking.org.uk/tan with the trust anchors that you accept, such as openbanking.org.uk. Never fetch it.',
    },
    (context) =>
      headerVariants(context, [
        ['another trust anchor', { [HEADER_TAN]: 'anchor.example' }],
        ['one that ends alike', { [HEADER_TAN]: `evil-${context.bank.identity.trustAnchor}` }],
        ['missing', { [HEADER_TAN]: undefined }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-13',
      title: 'A time of signing in the future is refused',
      source: RW_SIGNING,
      rule: 'http://openbanking.org.uk/iat is in the past, but for a small difference of the clocks.',
      remedy: 'Refuse a time that is more than a minute or so ahead.',
    },
    (context) => headerVariants(context, [['a day ahead', { [HEADER_IAT]: context.bank.nowSeconds() + DAY_SECONDS }]]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-14',
      title: 'A time of signing that is missing or not a number is refused',
      source: RW_SIGNING,
      remedy: 'Demand http://openbanking.org.uk/iat, a JSON number of seconds.',
    },
    (context) =>
      headerVariants(context, [
        ['missing', { [HEADER_IAT]: undefined }],
        ['a text', { [HEADER_IAT]: String(context.bank.nowSeconds()) }],
        ['null', { [HEADER_IAT]: null }],
        ['negative', { [HEADER_IAT]: -1 }],
      ]),
  ),
  refuses(
    'should',
    {
      id: 'TPP-HDR-15',
      title: 'A header with any other member is refused',
      source: RW_SIGNING,
      rule: 'The header has the members of the standard and no other ones.',
      remedy: 'Refuse a header with a member that the standard does not list.',
    },
    (context) =>
      headerVariants(context, [
        ['zip', { zip: 'DEF' }],
        ['x5t', { x5t: 'AAAAAAAAAAAAAAAAAAAAAAAAAAA' }],
        ['a member of somebody', { 'http://bank.example/member': 1 }],
      ]),
  ),
  refuses(
    'should',
    {
      id: 'TPP-HDR-16',
      title: 'A token whose typ says that it is another kind of token is refused',
      source: rfc(8725, '3.11'),
      rule: 'The same key may sign access tokens and client assertions: typ tells the kinds apart.',
      remedy: 'Accept typ where it is absent, JOSE, JWT or secevent+jwt, and nothing else.',
    },
    (context) =>
      headerVariants(context, [
        ['at+jwt', { typ: 'at+jwt' }],
        ['logout+jwt', { typ: 'logout+jwt' }],
        ['a number', { typ: 1 }],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-17',
      title: 'A member of the header that is there twice does not make a bad header good',
      source: rfc(7515, '4'),
      rule: 'Names are unique. Who does not refuse a name that is there twice takes its last value, which is the bad one here.',
      remedy: 'Parse the header with a parser that refuses members that are there twice.',
    },
    ({ bank }) => {
      const bad = { ...bank.header(), kid: `unknown-${bank.uuid()}` };
      const foreign = { ...bank.header(), [HEADER_ISS]: '001580000000000XXX' };
      return tokenVariants([
        ['kid: good, then unknown', bank.sign(withMemberTwice(bad, 'kid', bank.identity.key.kid), bank.claims())],
        [
          'iss: the bank, then another',
          bank.sign(withMemberTwice(foreign, HEADER_ISS, bank.identity.organisationId), bank.claims()),
        ],
      ]);
    },
  ),
  refuses(
    'should',
    {
      id: 'TPP-HDR-18',
      title: 'A header with a member that is there twice is refused whichever value is good',
      source: rfc(7515, '4'),
      rule: 'Two readers of the same token must see the same header. Parsers differ in which of two values they take.',
      remedy: 'Parse the header with a parser that refuses members that are there twice.',
    },
    ({ bank }) =>
      tokenVariants([
        ['kid: unknown, then good', bank.sign(withMemberTwice(bank.header(), 'kid', 'unknown'), bank.claims())],
        ['alg: none, then PS256', bank.sign(withMemberTwice(bank.header(), 'alg', 'none'), bank.claims())],
        [
          'an escaped name',
          bank.sign(`{"\\u006bid":"unknown",${JSON.stringify(bank.header()).slice(1)}`, bank.claims()),
        ],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HDR-19',
      title: 'A header that is no JSON object is refused',
      source: rfc(7515, '4'),
      remedy: 'Answer 400 to it. A parser’s exception must not become a 500.',
    },
    ({ bank }) =>
      tokenVariants([
        ['no JSON', bank.sign('{"alg":"PS256"', bank.claims())],
        ['a list', bank.sign('["PS256"]', bank.claims())],
        ['null', bank.sign('null', bank.claims())],
        ['no UTF-8', bank.sign(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), bank.claims())],
        ['an empty header', bank.sign(changed({}, {}), bank.claims())],
      ]),
  ),
];

function otherCase(text: string): string {
  const upper = text.toUpperCase();
  return upper === text ? text.toLowerCase() : upper;
}
