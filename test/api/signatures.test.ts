import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { base64url, HEADER_IAT, HEADER_ISS, HEADER_TAN, makeSigningKey, signCompact } from '@tidings/testing';
import { errorOf } from '../support/answers.ts';
import { startBankWithTpps } from '../support/bank-with-tpps.ts';
import { CALLBACK_URL, SUBSCRIPTIONS, type TppRequest } from '../support/tpp.ts';

const bank = await startBankWithTpps({ clients: ['tpp-a', 'tpp-b'] });
after(() => bank.stop());
const tpp = bank.tpp('tpp-a');
const other = bank.tpp('tpp-b');
const foreign = makeSigningKey(tpp.signing.kid);

const BODY = JSON.stringify({ Data: { CallbackUrl: CALLBACK_URL, Version: '4.0' } });
const CRIT = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
const nowSeconds = () => Math.floor(bank.clock.nowMs() / 1000);
const signed = (changes: Record<string, unknown>) => tpp.sign(BODY, tpp.header(changes));

/** Header text as it stands, signed as it stands. */
function signedText(headerText: string): string {
  const [protectedHeader, , signature] = signCompact(headerText, BODY, tpp.signing.keyPem).split('.');
  return `${protectedHeader}..${signature}`;
}

/** What is wrong with the signature, the code of section 7, and the signature. */
const BAD: readonly (readonly [string, string, () => TppRequest['signature']])[] = [
  ['that is missing', 'U019', () => null],
  ['that is empty', 'U019', () => ''],
  ['that is given twice', 'U018', () => [tpp.sign(BODY), tpp.sign(BODY)]],
  ['that is no JWS', 'U018', () => 'signature'],
  ['of two segments', 'U018', () => tpp.sign(BODY).replace('..', '.')],
  ['of four segments', 'U018', () => `${tpp.sign(BODY)}.`],
  ['with the body in its middle', 'U018', () => tpp.sign(BODY).replace('..', `.${base64url(BODY)}.`)],
  ['whose header is not base64url', 'U018', () => `{}${tpp.sign(BODY)}`],
  ['whose header is padded', 'U018', () => tpp.sign(BODY).replace('..', '=..')],
  ['whose header is no JSON', 'U018', () => `${base64url('alg')}..AAAA`],
  ['whose header is an array', 'U018', () => `${base64url('[]')}..AAAA`],
  [
    'whose header names a member twice',
    'U018',
    () => signedText(JSON.stringify(tpp.header()).replace('{', '{"alg":"PS256",')),
  ],
  [
    'whose header starts with a byte order mark',
    'U018',
    () => `${base64url(`\uFEFF${JSON.stringify(tpp.header())}`)}..AAAA`,
  ],
  ['whose third segment is empty', 'U018', () => `${base64url(JSON.stringify(tpp.header()))}..`],
  ...['alg', 'kid', 'crit', HEADER_IAT, HEADER_ISS, HEADER_TAN].map(
    (member) => [`without ${member}`, 'U017', () => signed({ [member]: undefined })] as const,
  ),
  ['with alg RS256', 'U016', () => signed({ alg: 'RS256' })],
  ['with alg none', 'U016', () => signed({ alg: 'none' })],
  ['with an unknown kid', 'U016', () => signed({ kid: 'unknown' })],
  [
    'with another TPP’s key under its own kid',
    'U016',
    () => tpp.sign(BODY, tpp.header({ kid: other.signing.kid }), other.signing.keyPem),
  ],
  ['that another TPP made as itself', 'U016', () => other.sign(BODY)],
  [
    'whose iss is another TPP’s',
    'U016',
    () => signed({ [HEADER_ISS]: `${other.organisationId}/${other.softwareStatementId}` }),
  ],
  ['whose iss is the organisation alone', 'U016', () => signed({ [HEADER_ISS]: tpp.organisationId })],
  ['whose iat lies in the future', 'U016', () => signed({ [HEADER_IAT]: nowSeconds() + 30 })],
  ['whose iat is a text', 'U016', () => signed({ [HEADER_IAT]: String(nowSeconds()) })],
  ['whose trust anchor is not accepted', 'U016', () => signed({ [HEADER_TAN]: 'anchor.example' })],
  ['with b64: false', 'U016', () => signed({ b64: false, crit: ['b64', ...CRIT] })],
  ['with b64: true', 'U016', () => signed({ b64: true })],
  ['with crit of two', 'U016', () => signed({ crit: [HEADER_IAT, HEADER_ISS] })],
  ['with crit of one twice', 'U016', () => signed({ crit: [HEADER_IAT, HEADER_ISS, HEADER_ISS] })],
  ['with crit of more', 'U016', () => signed({ crit: [...CRIT, 'exp'] })],
  ['with a crit that is a text', 'U016', () => signed({ crit: HEADER_IAT })],
  ['with a key in its header', 'U016', () => tpp.sign(BODY, tpp.header({ jwk: foreign.jwk }), foreign.keyPem)],
  ['with a URL of keys in its header', 'U016', () => signed({ jku: `${bank.tokenIssuer}/jwks` })],
  ['with a certificate in its header', 'U016', () => signed({ x5c: [tpp.transport.certificatePem] })],
  ['of type JWT', 'U016', () => signed({ typ: 'JWT' })],
  ['over another body', 'U015', () => tpp.sign(`${BODY} `)],
  ['over no body', 'U015', () => tpp.sign('')],
  ['by a key that is not the one of its kid', 'U015', () => tpp.sign(BODY, tpp.header(), foreign.keyPem)],
  [
    'with one character altered',
    'U015',
    () => tpp.sign(BODY).replace(/.{8}$/, (end) => (end.startsWith('A') ? 'B' : 'A') + end.slice(1)),
  ],
];

for (const [what, code, signature] of BAD) {
  test(`a POST with a signature ${what} answers 400 ${code}, and nothing is created`, async () => {
    const answer = await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, signature: signature() ?? null });
    assert.deepEqual(errorOf(answer), { status: 400, code, path: 'x-jws-signature' });
    assert.deepEqual(await tpp.list(), []);
  });
}

const GOOD: readonly (readonly [string, () => string])[] = [
  ['with typ JOSE', () => signed({ typ: 'JOSE' })],
  ['with cty application/json', () => signed({ cty: 'application/json' })],
  ['with cty json', () => signed({ cty: 'json' })],
  ['with crit in another order', () => signed({ crit: CRIT.toReversed() })],
  ['whose iat has a fraction', () => signed({ [HEADER_IAT]: nowSeconds() - 0.5 })],
  ['whose iat is a little ahead', () => signed({ [HEADER_IAT]: nowSeconds() + 5 })],
  ['that was made an hour ago', () => signed({ [HEADER_IAT]: nowSeconds() - 3600 })],
];

for (const [what, signature] of GOOD) {
  test(`a signature ${what} is accepted`, async () => {
    const answer = await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, signature: signature() });
    assert.equal(answer.status, 201, answer.body.toString());
    await tpp.clear();
  });
}

test('PUT asks for the signature as POST does', async () => {
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { body: BODY })).status, 201);
  const [before] = await tpp.list();
  const path = `${SUBSCRIPTIONS}/${before?.['EventSubscriptionId']}`;
  const body = JSON.stringify({ Data: { ...before, Version: '3.1' } });
  for (const [signature, code] of [
    [null, 'U019'],
    ['x', 'U018'],
    [tpp.sign(`${body}\n`), 'U015'],
    [other.sign(body), 'U016'],
  ] as const) {
    assert.equal(errorOf(await tpp.request('PUT', path, { body, signature })).code, code);
  }
  assert.deepEqual(await tpp.list(), [before]);
  assert.equal((await tpp.request('PUT', path, { body })).status, 200);
  await tpp.clear();
});

test('the signature is over the bytes that were sent, whatever JSON they spell', async () => {
  const body = `\n{ "Data" : {"Version":"4\\u002e0", "EventTypes":[ ]} }\r\n`;
  const answer = await tpp.request('POST', SUBSCRIPTIONS, { body });
  assert.equal(answer.status, 201, answer.body.toString());
  const parsedAgain = tpp.sign(JSON.stringify(JSON.parse(body)));
  assert.equal(errorOf(await tpp.request('POST', SUBSCRIPTIONS, { body, signature: parsedAgain })).code, 'U015');
  await tpp.clear();
});

test('a key that the bank withdraws verifies no more, and its successor does', async () => {
  const next = makeSigningKey('kid-2');
  const register = (jwk: object) =>
    bank.operate('PUT', `/operator/v1/tpps/${tpp.clientId}`, {
      organisationId: tpp.organisationId,
      softwareStatementId: tpp.softwareStatementId,
      jwks: { keys: [jwk] },
    });
  assert.equal((await register(next.jwk)).status, 204);
  assert.equal(errorOf(await tpp.request('POST', SUBSCRIPTIONS, { body: BODY })).code, 'U016');
  const signature = tpp.sign(BODY, tpp.header({ kid: 'kid-2' }), next.keyPem);
  assert.equal((await tpp.request('POST', SUBSCRIPTIONS, { body: BODY, signature })).status, 201);
  assert.equal((await register(tpp.signing.jwk)).status, 204);
  await tpp.clear();
});
