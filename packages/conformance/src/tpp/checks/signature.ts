import { createPublicKey, type KeyObject } from 'node:crypto';
import type { TppContext } from '../context.ts';
import { described } from '../endpoint.ts';
import { ecdsa, hmac, pkcs1, pss, unsigned } from '../forge.ts';
import {
  afterBaseline,
  checksOf,
  expectOfAll,
  failed,
  isAcknowledged,
  isRefused,
  passed,
  tokenVariants,
  type Variant,
} from '../judge.ts';
import { EN_RESOURCE, RW_SIGNING, rfc } from '../sources.ts';
import { strangerEcKey, strangerKey } from '../strangers.ts';

const { refuses, check } = checksOf('Signature');

const ONLY_PS256 =
  'Every notification is signed with PS256 and nothing else. An algorithm that the token chooses lets the sender choose how little is verified.';
const PIN =
  'Verify with PS256 only; never take the algorithm from the token. Libraries have an option for it, such as algorithms: ["PS256"].';

/** Checks of tokens that the bank did not sign, or not so. */
export const SIGNATURE_CHECKS = [
  refuses(
    'must',
    {
      id: 'TPP-SIG-01',
      title: 'A token with an altered signature is refused',
      source: `${RW_SIGNING}; ${rfc(7515, '5.2')}`,
      rule: 'A notification counts only when its signature verifies. Whoever does not verify lets anybody on the internet tell of revoked consents.',
      remedy: 'Verify the signature of every token, before anything in it is used.',
    },
    ({ bank }) => {
      const [header = '', payload = '', signature = ''] = bank.token().split('.');
      const bytes = Buffer.from(signature, 'base64url');
      const flipped = (at: number) => {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ 1;
        return `${header}.${payload}.${copy.toString('base64url')}`;
      };
      return tokenVariants([
        ['one bit at the beginning', flipped(0)],
        ['one bit at the end', flipped(bytes.length - 1)],
        ['the signature of another token', `${header}.${payload}.${bank.token().split('.')[2]}`],
        ['random bytes', `${header}.${payload}.${Buffer.alloc(256, bank.uuid()).toString('base64url')}`],
      ]);
    },
  ),
  check(
    'must',
    {
      id: 'TPP-SIG-02',
      title: 'A token with altered claims is refused',
      source: `${RW_SIGNING}; ${rfc(7515, '5.2')}`,
      rule: 'The signature is over the claims: one that was good for other claims, even a moment ago, is good for nothing.',
      remedy:
        'Verify the signature of every token over its payload as it came. Keep no results by the signature alone.',
    },
    afterBaseline(async (context) => {
      const good = context.bank.token();
      const [header, , signature] = good.split('.');
      const claims = Buffer.from(JSON.stringify(context.bank.claims())).toString('base64url');
      const first = await context.endpoint.deliver({ token: good });
      if (!isAcknowledged(first)) return failed('202 to the token before it is altered', described(first));
      return expectOfAll(
        context,
        tokenVariants([['the claims of another notification', `${header}.${claims}.${signature}`]]),
        {
          holds: isRefused,
          expected: 'it is refused with a status of 400 to 499, such as 400',
        },
      );
    }),
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-03',
      title: 'A token with an altered JOSE header is refused',
      source: `${RW_SIGNING}; ${rfc(7515, '5.2')}`,
      remedy: 'Verify the signature over the header as it came.',
    },
    ({ bank }) => {
      const header = bank.header();
      const [, payload, signature] = bank.sign(header, bank.claims()).split('.');
      const other = Buffer.from(JSON.stringify({ ...header, cty: 'json' })).toString('base64url');
      return tokenVariants([['a member added', `${other}.${payload}.${signature}`]]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-04',
      title: 'A token signed with another key is refused, whatever kid it names',
      source: RW_SIGNING,
      rule: 'The key is the one that the trust anchor has under this kid for this bank.',
      remedy: 'Verify with the key of the bank’s JWKS that has the kid of the token.',
    },
    ({ bank }) => tokenVariants([['a stranger’s key', bank.token({ signing: pss(strangerKey()) })]]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-05',
      title: 'A token without a signature is refused',
      source: rfc(7515, '5.2'),
      remedy: 'Demand three segments, none of them empty.',
    },
    ({ bank }) => {
      const [header, payload] = bank.token().split('.');
      return tokenVariants([
        ['an empty signature', `${header}.${payload}.`],
        ['no third segment', `${header}.${payload}`],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-06',
      title: 'A token with the algorithm none is refused',
      source: `${RW_SIGNING}; ${rfc(8725, '3.1')}`,
      rule: ONLY_PS256,
      remedy: PIN,
    },
    ({ bank }) =>
      tokenVariants(
        ['none', 'None', 'NONE', 'nOnE', ''].map((alg) => [
          alg === '' ? 'an empty alg' : alg,
          bank.token({ header: { alg }, signing: unsigned }),
        ]),
      ),
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-07',
      title: 'A token with HS256, whose secret is the bank’s public key, is refused',
      source: `${RW_SIGNING}; ${rfc(8725, '3.1')}`,
      rule: 'Who verifies with the algorithm of the token takes the public key for a shared secret, and everybody has the public key.',
      remedy: PIN,
    },
    ({ bank }) => {
      const secrets = publicForms(bank.identity.key.privateKey);
      return tokenVariants(
        secrets.map(([name, secret]) => [name, bank.token({ header: { alg: 'HS256' }, signing: hmac(secret) })]),
      );
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-08',
      title: 'A token with RS256 of the bank’s own key is refused',
      source: RW_SIGNING,
      rule: ONLY_PS256,
      remedy: PIN,
    },
    ({ bank }) =>
      tokenVariants([
        ['RS256', bank.token({ header: { alg: 'RS256' }, signing: pkcs1(bank.identity.key.privateKey) })],
      ]),
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-09',
      title: 'A token with any other algorithm is refused',
      source: RW_SIGNING,
      rule: ONLY_PS256,
      remedy: PIN,
    },
    ({ bank }) => {
      const key = bank.identity.key.privateKey;
      return tokenVariants([
        ['PS384', bank.token({ header: { alg: 'PS384' }, signing: pss(key, 'sha384') })],
        ['PS512', bank.token({ header: { alg: 'PS512' }, signing: pss(key, 'sha512') })],
        ['ES256 of a stranger', bank.token({ header: { alg: 'ES256' }, signing: ecdsa(strangerEcKey()) })],
        ['ps256 in lower case', bank.token({ header: { alg: 'ps256' } })],
        ['PS256 in a list', bank.token({ header: { alg: ['PS256'] } })],
        ['no alg', bank.token({ header: { alg: undefined } })],
        ['PS256 named, RS256 used', bank.token({ signing: pkcs1(key) })],
      ]);
    },
  ),
  refuses(
    'should',
    {
      id: 'TPP-SIG-10',
      title: 'A PS256 signature with a salt that is not 32 bytes is refused',
      source: rfc(7518, '3.5'),
      rule: 'The salt has the length of the hash.',
      remedy: 'Set the length of the salt to 32, or to that of the digest, where your library verifies with any.',
    },
    ({ bank }) =>
      tokenVariants(
        [0, 20, 64].map((bytes) => [
          `a salt of ${bytes} bytes`,
          bank.token({ signing: pss(bank.identity.key.privateKey, 'sha256', bytes) }),
        ]),
      ),
  ),
  refuses(
    'should',
    {
      id: 'TPP-SIG-11',
      title: 'A token that is not in canonical base64url is refused',
      source: `${rfc(7515, '2')}; ${rfc(4648, '3.5')}`,
      rule: 'There is one way to write a signature. Where several are taken for the same, one notification has several texts.',
      remedy: 'Refuse padding, white space, the characters + and /, and unused bits that are not zero.',
    },
    ({ bank }) => {
      const token = bank.token();
      const [header = '', payload = '', signature = ''] = token.split('.');
      const last = signature.charAt(signature.length - 1);
      return tokenVariants([
        ['padding', `${token}==`],
        ['unused bits set', `${header}.${payload}.${signature.slice(0, -1)}${nextInAlphabet(last)}`],
        [
          'the alphabet of base64',
          `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('base64').replace(/=+$/, '')}`,
        ],
        ['a space inside', `${header}.${payload}.${signature.slice(0, 9)} ${signature.slice(9)}`],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-12',
      title: 'A body that is no compact JWS is refused',
      source: `${EN_RESOURCE}; ${rfc(7515, '7.1')}`,
      remedy: 'Answer 400 to whatever is not three segments of base64url with dots between them.',
    },
    ({ bank }) => {
      const token = bank.token();
      const [header = '', payload = '', signature = ''] = token.split('.');
      return tokenVariants([
        ['a text', 'hello'],
        ['two dots', '..'],
        ['four segments', `${token}.${signature}`],
        ['five segments, as of a JWE', `${header}.${payload}.${signature}.${payload}.${signature}`],
        ['a detached signature', `${header}..${signature}`],
        ['the JSON serialisation', JSON.stringify({ payload, protected: header, signature })],
        ['the token in quotes', JSON.stringify(token)],
        ['the claims alone', JSON.stringify(bank.claims())],
        ['characters that are no base64url', `${header}.${payload}.€${signature}`],
      ]);
    },
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-13',
      title: 'A token that brings its own key is refused',
      source: `${RW_SIGNING}; ${rfc(8725, '3.10')}`,
      rule: 'The key comes from the trust anchor, never from the token.',
      remedy:
        'Ignore jwk and x5c, or better refuse a header with them: they are not among the members of the standard.',
    },
    ({ bank }) => {
      const jwk = createPublicKey(strangerKey()).export({ format: 'jwk' });
      const signing = pss(strangerKey());
      return tokenVariants([
        ['jwk, and the kid of the bank', bank.token({ header: { jwk }, signing })],
        [
          'jwk, and a kid of its own',
          bank.token({ header: { jwk: { ...jwk, kid: 'stranger' }, kid: 'stranger' }, signing }),
        ],
        ['jwk alone', bank.token({ header: { jwk, kid: undefined }, signing })],
      ]);
    },
  ),
  check(
    'must',
    {
      id: 'TPP-SIG-14',
      title: 'A token that names a URL of its key is refused, and the URL is not fetched',
      source: `${RW_SIGNING}; ${rfc(8725, '3.10')}`,
      rule: 'jku and x5u are not members of the header. Whoever fetches them can be sent anywhere in its own network.',
      remedy: 'Refuse jku and x5u, and never fetch a URL from a token.',
    },
    afterBaseline(async (context) => {
      const before = context.jwks?.baitCount() ?? 0;
      const outcome = await expectOfAll(context, baits(context), {
        holds: isRefused,
        expected: 'each is refused with a status of 400 to 499, such as 400',
      });
      if (outcome.kind !== 'passed') return outcome;
      const fetched = (context.jwks?.baitCount() ?? 0) - before;
      return fetched === 0 ? passed : failed('no request to the URL in the token', `${fetched} requests`);
    }),
  ),
  refuses(
    'must',
    {
      id: 'TPP-SIG-15',
      title: 'A token with an unencoded payload (b64) is refused',
      source: `${RW_SIGNING}; ${rfc(7797, '7')}`,
      rule: 'b64 must not be used in tokens; a receiver that ignores it and one that obeys it see different payloads.',
      remedy: 'Refuse a header that has b64.',
    },
    ({ bank }) => {
      const { crit, ...header } = bank.header();
      const withB64 = { ...header, b64: false, crit: ['b64', ...(Array.isArray(crit) ? crit : [])] };
      return tokenVariants([
        ['over the encoded payload', bank.sign(withB64, bank.claims())],
        ['b64 true', bank.sign({ ...withB64, b64: true }, bank.claims())],
      ]);
    },
  ),
];

function baits({ bank, jwks }: TppContext): readonly Variant[] {
  const url = jwks?.baitUrl ?? 'https://bait.invalid/keys';
  const signing = pss(strangerKey());
  return tokenVariants([
    ['jku', bank.token({ header: { jku: url, kid: 'stranger' }, signing })],
    ['x5u', bank.token({ header: { x5u: url, kid: 'stranger' }, signing })],
  ]);
}

/** The forms in which a library may hold a public key, and take it for a secret. */
function publicForms(privateKey: KeyObject): readonly (readonly [name: string, secret: string | Buffer])[] {
  const key = createPublicKey(privateKey);
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  return [
    ['the PEM of the key', pem],
    ['the PEM without its last line feed', pem.trim()],
    ['the PEM of PKCS #1', key.export({ type: 'pkcs1', format: 'pem' }).toString()],
    ['the DER of the key', key.export({ type: 'spki', format: 'der' })],
    ['the JWK of the key', JSON.stringify(key.export({ format: 'jwk' }))],
    ['an empty secret', ''],
  ];
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Differs in its last bit only, which a signature of 256 bytes does not use. */
function nextInAlphabet(character: string): string {
  return ALPHABET.charAt(ALPHABET.indexOf(character) ^ 1);
}
