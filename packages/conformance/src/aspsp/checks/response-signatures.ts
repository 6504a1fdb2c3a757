import { HEADER_IAT, HEADER_ISS, HEADER_TAN, JwsError, verifyDetached } from '@tidings/protocol';
import type { AspspContext } from '../context.ts';
import { checksOf, expect, expectStatus, fail, headerOf } from '../expect.ts';
import { headerOfJws } from '../sets.ts';
import { RW_SIGNING } from '../sources.ts';
import type { WireAnswer } from '../wire.ts';

const { must, should } = checksOf<AspspContext>('Signatures of responses');
const PATH = 'event-subscriptions';
const CLOCK_SKEW_SECONDS = 60;
const MEMBERS = new Set(['alg', 'kid', 'typ', 'cty', 'crit', HEADER_IAT, HEADER_ISS, HEADER_TAN]);

function signatureOf(answer: WireAnswer, of: string): string {
  return (
    headerOf(answer, 'x-jws-signature') ??
    fail(`x-jws-signature in the answer to ${of}`, `none (status ${answer.status})`)
  );
}

/** The signature verifies over the bytes of the body, with a key of the bank. */
async function expectSigned(context: AspspContext, answer: WireAnswer, of: string): Promise<void> {
  const signature = signatureOf(answer, of);
  const { organisationId: iss, trustAnchor } = context.config.bank;
  try {
    await verifyDetached(signature, answer.body, {
      ...{ iss, trustAnchors: [trustAnchor], keys: context.keys, nowSeconds: context.first.nowSeconds },
      ...{ clockSkewSeconds: CLOCK_SKEW_SECONDS, typesAccepted: ['JOSE'], unencodedPayloadAccepted: false },
    });
  } catch (error) {
    if (!(error instanceof JwsError)) throw error;
    fail(`a signature of ${iss} over the answer to ${of} that verifies`, error.message);
  }
}

/** The signed answers of one version. */
async function signedAnswers({ first }: AspspContext, version: 'v3.1' | 'v4.0') {
  await first.clear();
  const created = await first.call('POST', PATH, { version, body: { Data: { Version: '3.1' } } });
  expectStatus(created, 201, `to POST ${version}/${PATH}`);
  const [found] = await first.list(PATH, version);
  const id = String(found?.['EventSubscriptionId']);
  const body = { Data: { EventSubscriptionId: id, Version: '3.1', EventTypes: [] } };
  const changed = await first.call('PUT', `${PATH}/${id}`, { version, body });
  expectStatus(changed, 200, `to PUT ${version}/${PATH}`);
  const listed = await first.call('GET', PATH, { version });
  expectStatus(listed, 200, `to GET ${version}/${PATH}`);
  return { POST: created, PUT: changed, GET: listed };
}

function signed(method: 'POST' | 'PUT' | 'GET') {
  return async (context: AspspContext) => {
    for (const version of context.versions) {
      const answers = await signedAnswers(context, version);
      await expectSigned(context, answers[method], `${method} ${version}/${PATH}`);
    }
  };
}

async function headerOfAnswer(context: AspspContext): Promise<Record<string, unknown>> {
  const answer = await context.first.call('GET', PATH);
  return headerOfJws(signatureOf(answer, `GET /${PATH}`), 'a signature');
}

/** Checks of section 5: what the bank signs. */
export const RESPONSE_SIGNATURE_CHECKS = [
  must('RSP-01', 'The answer to POST is signed by the bank.', RW_SIGNING, signed('POST')),
  must('RSP-02', 'The answer to PUT is signed by the bank.', RW_SIGNING, signed('PUT')),
  must('RSP-03', 'The answer to GET is signed by the bank.', RW_SIGNING, signed('GET')),
  must('RSP-04', 'Answers about callback URLs are signed too.', RW_SIGNING, async (context) => {
    context.requireCallbackUrls();
    await context.first.clear();
    const data = { Url: 'https://tpp.example/open-banking/v4.0/event-notifications', Version: '3.1' };
    const answer = await context.first.call('POST', 'callback-urls', { body: { Data: data } });
    await expectSigned(context, answer, 'POST /callback-urls');
    await expectSigned(context, await context.first.call('GET', 'callback-urls'), 'GET /callback-urls');
  }),
  must(
    'RSP-05',
    'The JOSE header of an answer has PS256, iat, iss, tan, and crit with these three.',
    RW_SIGNING,
    async (context) => {
      const header = await headerOfAnswer(context);
      expect(header['alg'] === 'PS256', 'alg PS256', String(header['alg']));
      const iat = header[HEADER_IAT];
      const isPast =
        typeof iat === 'number' && Number.isInteger(iat) && iat <= context.first.nowSeconds + CLOCK_SKEW_SECONDS;
      expect(isPast, 'iat in whole seconds, in the past', JSON.stringify(iat) ?? 'none');
      const { organisationId, trustAnchor } = context.config.bank;
      expect(header[HEADER_ISS] === organisationId, `iss ${organisationId}`, String(header[HEADER_ISS]));
      expect(header[HEADER_TAN] === trustAnchor, `tan ${trustAnchor}`, String(header[HEADER_TAN]));
      const crit = Array.isArray(header['crit']) ? header['crit'].map(String).sort() : [];
      expect(
        JSON.stringify(crit) === JSON.stringify([HEADER_IAT, HEADER_ISS, HEADER_TAN].sort()),
        'crit with iat, iss and tan',
        JSON.stringify(header['crit']) ?? 'none',
      );
    },
  ),
  must('RSP-06', 'The JOSE header of an answer has no b64 and no other member.', RW_SIGNING, async (context) => {
    const more = Object.keys(await headerOfAnswer(context)).filter((name) => !MEMBERS.has(name));
    expect(more.length === 0, 'no member beyond those of the standard', more.join(', '));
  }),
  must(
    'RSP-07',
    'The JWKS of the bank has a usable signing key: RSA of 2048 bits or more, use sig.',
    RW_SIGNING,
    async (context) => {
      const { kids, leftOut } = await context.fetchKeys();
      const why = leftOut.map(({ kid, reason }) => `${kid}: ${reason}`).join('; ');
      expect(kids.length > 0, 'a usable signing key', why || 'no key');
    },
  ),
  should(
    'RSP-08',
    'The signature is detached and over the bytes that are sent, not compressed ones.',
    RW_SIGNING,
    async (context) => {
      const answer = await context.first.call('GET', PATH, { headers: { 'accept-encoding': 'identity' } });
      expect(signatureOf(answer, `GET /${PATH}`).split('.')[1] === '', 'an empty middle segment', 'a payload');
      await expectSigned(context, answer, `GET /${PATH}`);
    },
  ),
];
