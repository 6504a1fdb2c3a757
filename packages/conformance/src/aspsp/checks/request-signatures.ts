import { createPublicKey } from 'node:crypto';
import { type ApiErrorCode, HEADER_IAT, HEADER_ISS, HEADER_TAN } from '@tidings/protocol';
import type { BankClient } from '../bank-client.ts';
import type { AspspContext } from '../context.ts';
import { checksOf, expect, expectError, expectStatus } from '../expect.ts';
import { type ForgedAlgorithm, forgeDetached, joseHeader } from '../forge.ts';
import { RW_SIGNING } from '../sources.ts';
import type { WireAnswer } from '../wire.ts';

const { must, should } = checksOf<AspspContext>('Signatures of requests');
const PATH = 'event-subscriptions';
const BODY = '{"Data":{"Version":"3.1"}}';
const CRIT = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
const FUTURE_SECONDS = 3600;
const ANY_SIGNATURE_ERROR: readonly [ApiErrorCode, ...ApiErrorCode[]] = [
  'SignatureInvalidClaim',
  'SignatureInvalid',
  'SignatureMalformed',
  'SignatureMissingClaim',
];

type Kinds = readonly [ApiErrorCode, ...ApiErrorCode[]];
type Signature = string | readonly string[] | null;

/** POSTs with a signature that is refused, in each version, and looks that nothing was registered. */
async function expectRefused(
  { first, versions }: AspspContext,
  signature: (client: BankClient) => Signature,
  kinds: Kinds,
  what: string,
): Promise<void> {
  await first.clear();
  for (const version of versions) {
    const answer = await first.call('POST', PATH, { version, body: BODY, signature: signature(first) });
    expectError(answer, { kinds, version, when: `to POST ${version}/${PATH} with ${what}` });
  }
  const list = await first.list(PATH);
  expect(list.length === 0, 'nothing to be registered by a request whose signature is refused', JSON.stringify(list));
}

/** A signature with members of the JOSE header that differ. */
function withHeader(changes: Readonly<Record<string, unknown>>) {
  return (client: BankClient) => client.sign(BODY, changes);
}

function withAlgorithm(alg: string, algorithm: ForgedAlgorithm) {
  return ({ key, nowSeconds }: BankClient) =>
    forgeDetached(joseHeader(key, nowSeconds, { alg }), BODY, key.privateKey, { algorithm });
}

async function expectAccepted({ first }: AspspContext, signature: string, what: string): Promise<WireAnswer> {
  await first.clear();
  const answer = await first.call('POST', PATH, { body: BODY, signature });
  expectStatus(answer, 201, `to POST /${PATH} with ${what}`);
  return answer;
}

const FORM_CHECKS = [
  must('SIG-01', 'A POST without a signature is 400, Signature.Missing.', RW_SIGNING, (context) =>
    expectRefused(context, () => null, ['SignatureMissing'], 'no signature'),
  ),
  must('SIG-02', 'A signature that cannot be parsed is 400, Signature.Malformed.', RW_SIGNING, async (context) => {
    for (const signature of ['not-a-jws', 'a.b', 'a..b..c', '..', '!!!..AAAA']) {
      await expectRefused(context, () => signature, ['SignatureMalformed'], `the signature ${signature}`);
    }
  }),
  must('SIG-03', 'A signature over another body is 400, Signature.Invalid.', RW_SIGNING, (context) =>
    expectRefused(context, (client) => client.sign(`${BODY} `), ['SignatureInvalid'], 'a signature over another body'),
  ),
  must('SIG-04', 'A signature that is not detached is 400.', RW_SIGNING, (context) =>
    expectRefused(
      context,
      (client) => client.sign(BODY).replace('..', `.${Buffer.from(BODY).toString('base64url')}.`),
      ANY_SIGNATURE_ERROR,
      'the payload in the signature',
    ),
  ),
  must('SIG-05', 'Two signature headers are 400.', RW_SIGNING, (context) =>
    expectRefused(context, (client) => [client.sign(BODY), client.sign(BODY)], ANY_SIGNATURE_ERROR, 'two signatures'),
  ),
  must('SIG-06', 'Base64url with padding is 400.', 'RFC 7515, section 2', (context) =>
    expectRefused(context, (client) => `${client.sign(BODY)}=`, ANY_SIGNATURE_ERROR, 'padding after the signature'),
  ),
  must('SIG-07', 'A PUT is signed too.', RW_SIGNING, async (context) => {
    const { first, newest: version } = context;
    await first.clear();
    const id = await first.create(PATH, { Version: '3.1' });
    const body = { Data: { EventSubscriptionId: id, Version: '3.1', EventTypes: [] } };
    const missing = await first.call('PUT', `${PATH}/${id}`, { body, signature: null });
    expectError(missing, { kinds: ['SignatureMissing'], version, when: 'to a PUT without a signature' });
    const invalid = await first.call('PUT', `${PATH}/${id}`, { body, signature: first.sign(BODY) });
    expectError(invalid, { kinds: ['SignatureInvalid'], version, when: 'to a PUT with a signature over another body' });
  }),
  must('SIG-08', 'A DELETE is not signed, and a signature there is ignored.', RW_SIGNING, async ({ first }) => {
    await first.clear();
    for (const signature of [null, 'not-a-jws']) {
      const id = await first.create(PATH, { Version: '3.1' });
      const answer = await first.call('DELETE', `${PATH}/${id}`, { signature });
      expectStatus(
        answer,
        204,
        signature === null ? 'to a DELETE without a signature' : 'to a DELETE with a bad signature',
      );
    }
  }),
  must('SIG-09', 'The signature is over the exact bytes of the body.', RW_SIGNING, async ({ first }) => {
    await first.clear();
    const body = '  { "Data" :\t{ "Version": "3.\\u0031", "EventTypes": [ ] } }\n';
    expectStatus(await first.call('POST', PATH, { body }), 201, 'to a body with spaces, escapes and dots');
  }),
];

const KEY_CHECKS = [
  must('SIG-10', 'The algorithm is PS256: RS256 is 400.', RW_SIGNING, (context) =>
    expectRefused(context, withAlgorithm('RS256', 'RS256'), ANY_SIGNATURE_ERROR, 'RS256'),
  ),
  must('SIG-11', 'alg none is 400.', RW_SIGNING, (context) =>
    expectRefused(context, withAlgorithm('none', 'none'), ANY_SIGNATURE_ERROR, 'alg none'),
  ),
  must('SIG-12', 'HS256 with the public key for a secret is 400.', 'RFC 8725, section 2.1', (context) =>
    expectRefused(context, withAlgorithm('HS256', 'HS256-public'), ANY_SIGNATURE_ERROR, 'HS256'),
  ),
  must('SIG-13', 'RS256 under the name PS256 is 400.', RW_SIGNING, (context) =>
    expectRefused(context, withAlgorithm('PS256', 'RS256'), ['SignatureInvalid'], 'a PKCS #1 signature'),
  ),
  must('SIG-14', 'A salt of other than 32 bytes is 400.', 'RFC 7518, section 3.5', (context) =>
    expectRefused(context, withAlgorithm('PS256', 'PS256-long-salt'), ['SignatureInvalid'], 'a salt of 64 bytes'),
  ),
  must('SIG-15', 'An unknown kid is 400, Signature.InvalidClaim.', RW_SIGNING, (context) =>
    expectRefused(context, withHeader({ kid: 'no-such-key' }), ['SignatureInvalidClaim'], 'an unknown kid'),
  ),
  must('SIG-16', 'The key of another client is 400.', RW_SIGNING, (context) => {
    const { key } = context.second;
    const signed = ({ key: own, nowSeconds }: BankClient) =>
      forgeDetached(joseHeader({ ...own, kid: key.kid }, nowSeconds), BODY, key.privateKey);
    return expectRefused(context, signed, ['SignatureInvalidClaim'], "the other client's key");
  }),
  must('SIG-17', 'A signature of another client is 400.', RW_SIGNING, (context) =>
    expectRefused(context, () => context.second.sign(BODY), ['SignatureInvalidClaim'], "the other client's signature"),
  ),
];

const HEADER_CHECKS = [
  must('SIG-20', 'A member that the JOSE header lacks is 400, Signature.MissingClaim.', RW_SIGNING, async (context) => {
    for (const member of ['alg', 'kid', 'crit', ...CRIT]) {
      await expectRefused(
        context,
        withHeader({ [member]: undefined }),
        ['SignatureMissingClaim'],
        `a JOSE header without ${member}`,
      );
    }
  }),
  must('SIG-21', 'An iss that is not that of the client is 400.', RW_SIGNING, (context) =>
    expectRefused(
      context,
      withHeader({ [HEADER_ISS]: context.second.key.iss }),
      ['SignatureInvalidClaim'],
      'the iss of another client',
    ),
  ),
  must('SIG-22', 'An unknown trust anchor is 400.', RW_SIGNING, (context) =>
    expectRefused(context, withHeader({ [HEADER_TAN]: 'trust.example' }), ['SignatureInvalidClaim'], 'an unknown tan'),
  ),
  must('SIG-23', 'An iat in the future is 400.', RW_SIGNING, (context) => {
    const iat = context.first.nowSeconds + FUTURE_SECONDS;
    return expectRefused(
      context,
      withHeader({ [HEADER_IAT]: iat }),
      ['SignatureInvalidClaim'],
      'an iat one hour ahead',
    );
  }),
  must('SIG-24', 'An iat that is no number is 400.', RW_SIGNING, (context) =>
    expectRefused(
      context,
      withHeader({ [HEADER_IAT]: String(context.first.nowSeconds) }),
      ['SignatureInvalidClaim', 'SignatureMalformed'],
      'an iat that is a text',
    ),
  ),
  must(
    'SIG-25',
    'A crit with a member too few, too many or twice is 400.',
    'RFC 7515, section 4.1.11',
    async (context) => {
      for (const crit of [CRIT.slice(1), [...CRIT, 'exp'], [...CRIT, HEADER_IAT], [], HEADER_IAT]) {
        await expectRefused(
          context,
          withHeader({ crit }),
          ['SignatureInvalidClaim', 'SignatureMissingClaim'],
          `crit ${JSON.stringify(crit)}`,
        );
      }
    },
  ),
  must('SIG-26', 'A JOSE header with a key, or the address of one, is 400.', RW_SIGNING, async (context) => {
    const jwk = createPublicKey(context.first.key.privateKey).export({ format: 'jwk' });
    for (const more of [
      { jwk },
      { jku: 'https://tpp.example/jwks' },
      { x5u: 'https://tpp.example/x5u' },
      { x5c: ['MIIB'] },
    ]) {
      await expectRefused(
        context,
        withHeader(more),
        ['SignatureInvalidClaim'],
        `the member ${Object.keys(more).join()}`,
      );
    }
  }),
  must('SIG-27', 'On v4.0, b64: false is 400.', RW_SIGNING, async (context) => {
    context.requireVersion('v4.0');
    const { first } = context;
    await first.clear();
    const header = joseHeader(first.key, first.nowSeconds, { b64: false, crit: ['b64', ...CRIT] });
    const signature = forgeDetached(header, BODY, first.key.privateKey, { isUnencoded: true });
    const answer = await first.call('POST', PATH, { version: 'v4.0', body: BODY, signature });
    expectError(answer, {
      kinds: ['SignatureInvalidClaim', 'SignatureInvalid'],
      version: 'v4.0',
      when: 'to b64: false',
    });
  }),
  should('SIG-28', 'A member that comes twice in the JOSE header is 400.', 'RFC 7515, section 4', (context) => {
    const twice = ({ key, nowSeconds }: BankClient) => {
      const header = JSON.stringify(joseHeader(key, nowSeconds)).replace('{', '{"kid":"another",');
      return forgeDetached(header, BODY, key.privateKey);
    };
    return expectRefused(context, twice, ['SignatureMalformed', 'SignatureInvalidClaim'], 'kid twice');
  }),
  should(
    'SIG-29',
    'typ JOSE, cty application/json and any order of crit are accepted.',
    RW_SIGNING,
    async (context) => {
      const { first } = context;
      await expectAccepted(context, first.sign(BODY, { typ: 'JOSE' }), 'typ JOSE');
      await expectAccepted(context, first.sign(BODY, { cty: 'application/json' }), 'cty application/json');
      await expectAccepted(context, first.sign(BODY, { crit: CRIT.toReversed() }), 'another order of crit');
    },
  ),
  must('SIG-30', 'A good signature is accepted.', RW_SIGNING, async (context) => {
    await expectAccepted(context, context.first.sign(BODY), 'a good signature');
  }),
];

/** Checks of section 5: what the bank verifies. */
export const REQUEST_SIGNATURE_CHECKS = [...FORM_CHECKS, ...KEY_CHECKS, ...HEADER_CHECKS];
