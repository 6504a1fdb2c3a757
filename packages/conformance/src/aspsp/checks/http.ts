import { gzipSync } from 'node:zlib';
import { isUuid } from '@tidings/protocol';
import type { BankRequest } from '../bank-client.ts';
import type { AspspContext } from '../context.ts';
import { checksOf, described, expect, expectStatus, fail, headerOf } from '../expect.ts';
import { RW, RW_HEADERS, RW_STATUS, SUB_ENDPOINTS } from '../sources.ts';
import { type WireAnswer, WireError } from '../wire.ts';

const { must, should } = checksOf<AspspContext>('HTTP and headers');
const PATH = 'event-subscriptions';
const INTERACTION_ID = 'x-fapi-interaction-id';
const ID = '7f3c1a52-90c1-4b8e-8f0c-3b8f7f3f9d11';
const LARGE_BYTES = 6_000_000;
const LONG_HEADER_BYTES = 60_000;
const SERVER_ERROR = 500;

function idsOf({ headers }: WireAnswer): string[] {
  return headers.filter(([name]) => name === INTERACTION_ID).map(([, value]) => value);
}

function expectId(answer: WireAnswer, where: string): void {
  const ids = idsOf(answer);
  const isEchoed = ids.length === 1 && ids[0]?.toLowerCase() === ID;
  expect(isEchoed, `${INTERACTION_ID}: ${ID} ${where}`, `${ids.join(', ') || 'none'} (status ${answer.status})`);
}

/** Refused by whatever means: neither served nor a failure of the bank. */
async function expectRefused(
  send: () => Promise<WireAnswer>,
  statuses: readonly number[],
  what: string,
): Promise<void> {
  try {
    expectStatus(await send(), statuses, `to ${what}, or the end of the connection`);
  } catch (error) {
    // An end of the connection before all was sent is as good.
    if (!(error instanceof WireError) || error.code === 'TIMEOUT') throw error;
  }
}

async function expectServed({ first }: AspspContext, after: string): Promise<void> {
  expectStatus(await first.call('GET', PATH), 200, `after ${after}`);
}

/** A good POST. */
function subscription(more: BankRequest = {}): BankRequest {
  return { body: { Data: { Version: '3.1' } }, ...more };
}

/** Checks of section 7: what holds for every request. */
export const HTTP_CHECKS = [
  must('HTTP-01', 'A good answer returns the x-fapi-interaction-id of the request.', RW_HEADERS, async (context) => {
    for (const version of context.versions) {
      const answer = await context.first.call('GET', PATH, { version, headers: { [INTERACTION_ID]: ID } });
      expectStatus(answer, 200, `to GET ${version}/${PATH}`);
      expectId(answer, `in the answer to GET ${version}/${PATH}`);
    }
  }),
  must('HTTP-02', 'An answer that refuses returns the x-fapi-interaction-id too.', RW_HEADERS, async ({ first }) => {
    const headers = { [INTERACTION_ID]: ID };
    expectId(await first.call('GET', PATH, { headers, token: null }), 'in a 401');
    expectId(await first.call('POST', PATH, { headers, body: '{' }), 'in a 400');
    expectId(await first.call('DELETE', `${PATH}/unknown`, { headers }), 'in the answer about an unknown id');
  }),
  must(
    'HTTP-03',
    'Where the request has no x-fapi-interaction-id, the answer has a fresh UUID.',
    RW_HEADERS,
    async ({ first }) => {
      const seen = new Set<string>();
      for (const _ of [1, 2]) {
        const answer = await first.call('GET', PATH, { headers: { [INTERACTION_ID]: null } });
        const [id, ...more] = idsOf(answer);
        if (id === undefined || more.length > 0 || !isUuid(id)) {
          return fail(`one ${INTERACTION_ID} that is a UUID`, idsOf(answer).join(', ') || 'none');
        }
        seen.add(id);
      }
      expect(seen.size === 2, 'another UUID for each request', [...seen].join(', '));
    },
  ),
  should('HTTP-04', 'An x-fapi-interaction-id that is no UUID is not returned.', RW_HEADERS, async ({ first }) => {
    const answer = await first.call('GET', PATH, { headers: { [INTERACTION_ID]: 'not-a-uuid' } });
    expect(idsOf(answer).every(isUuid), `${INTERACTION_ID} to be a UUID`, idsOf(answer).join(', '));
  }),
  must('HTTP-05', 'An unknown path is 404.', RW_STATUS, async ({ first, versions }) => {
    for (const version of versions) {
      expectStatus(await first.call('GET', 'no-such-resource', { version }), 404, `to GET ${version}/no-such-resource`);
    }
  }),
  must(
    'HTTP-06',
    'GET of one event subscription is 405: there is no such operation.',
    SUB_ENDPOINTS,
    async ({ first }) => {
      expectStatus(await first.call('GET', `${PATH}/some-id`), 405, `to GET /${PATH}/{EventSubscriptionId}`);
    },
  ),
  must('HTTP-07', 'A 405 names the methods in Allow.', 'RFC 9110, section 15.5.6', async ({ first }) => {
    const answer = await first.call('PATCH', PATH);
    expectStatus(answer, 405, `to PATCH /${PATH}`);
    const allow = headerOf(answer, 'allow') ?? 'no Allow';
    const methods = allow.split(/\s*,\s*/);
    expect(methods.includes('GET') && methods.includes('POST'), 'Allow with GET and POST', allow);
  }),
  must('HTTP-08', 'An Accept that excludes JSON is 406.', RW_HEADERS, async ({ first }) => {
    const answer = await first.call('GET', PATH, { headers: { accept: 'application/xml' } });
    expectStatus(answer, 406, 'to Accept: application/xml');
  }),
  must('HTTP-09', 'A Content-Type that is not JSON is 415.', RW_STATUS, async ({ first }) => {
    await first.clear();
    const answer = await first.call('POST', PATH, subscription({ headers: { 'content-type': 'text/plain' } }));
    expectStatus(answer, 415, 'to Content-Type: text/plain');
  }),
  should('HTTP-10', 'Content-Type: application/json; charset=utf-8 is accepted.', RW_HEADERS, async ({ first }) => {
    await first.clear();
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expectStatus(await first.call('POST', PATH, subscription({ headers })), 201, 'to that media type');
  }),
  must('HTTP-11', 'An answer with a body is application/json.', RW_HEADERS, async ({ first }) => {
    await first.clear();
    const answers = [
      await first.call('GET', PATH),
      await first.call('POST', PATH, subscription()),
      await first.call('POST', PATH, { body: '{' }),
    ];
    for (const answer of answers) {
      const type = headerOf(answer, 'content-type') ?? 'none';
      expect(
        /^application\/json(;|$)/i.test(type),
        'Content-Type: application/json',
        `${type} with status ${answer.status}`,
      );
    }
  }),
  must(
    'HTTP-12',
    'x-idempotency-key changes nothing: a second POST is refused.',
    `${RW}, Idempotency`,
    async ({ first }) => {
      await first.clear();
      const headers = { 'x-idempotency-key': ID };
      expectStatus(await first.call('POST', PATH, subscription({ headers })), 201, 'to the first POST');
      const again = await first.call('POST', PATH, subscription({ headers }));
      expectStatus(again, 409, 'to the same POST with the same x-idempotency-key');
    },
  ),
  should(
    'HTTP-13',
    'A compressed body is refused: the signature is over what is sent.',
    'RFC 9110, section 15.5.16',
    async ({ first }) => {
      await first.clear();
      const body = gzipSync(JSON.stringify({ Data: { Version: '3.1' } }));
      const answer = await first.call('POST', PATH, { body, headers: { 'content-encoding': 'gzip' } });
      expectStatus(answer, [400, 415], 'to Content-Encoding: gzip');
    },
  ),
  must(
    'HTTP-14',
    'A body of six megabytes is refused, and the bank serves on.',
    'RFC 9110, section 15.5.14',
    async (context) => {
      const body = `{"Data":{"Version":"3.1","x":"${'x'.repeat(LARGE_BYTES)}"}}`;
      await expectRefused(() => context.first.call('POST', PATH, { body }), [400, 413], 'a body of six megabytes');
      await expectServed(context, 'a body of six megabytes');
    },
  ),
  must(
    'HTTP-15',
    'A header of sixty kilobytes is refused, and the bank serves on.',
    'RFC 6585, section 5',
    async (context) => {
      const headers = { 'x-customer-user-agent': 'x'.repeat(LONG_HEADER_BYTES) };
      const send = () => context.first.call('GET', PATH, { headers });
      await expectRefused(send, [400, 413, 414, 431, 494], 'a header of sixty kilobytes');
      await expectServed(context, 'a header of sixty kilobytes');
    },
  ),
  must('HTTP-16', 'A message with two lengths is refused.', 'RFC 9112, section 6.3', async (context) => {
    await context.first.clear();
    const body = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
    const headers = { 'transfer-encoding': 'chunked', 'content-length': '4' };
    const send = () => context.first.call('POST', PATH, { body, headers });
    await expectRefused(send, [400, 411, 501], 'Transfer-Encoding beside Content-Length');
    await expectServed(context, 'a message with two lengths');
  }),
  should('HTTP-17', 'Answers reveal nothing of how the bank is built.', RW_STATUS, async ({ first }) => {
    const inside =
      /node_modules|\bat [\w.$<>]+ ?\(|Exception in|stack ?trace|\.java:\d+|SQLSTATE|ORA-\d{5}|SELECT .+ FROM/i;
    for (const body of ['{', '[]', '{"Data":{"Version":1}}', '{"Data":null}']) {
      const answer = await first.call('POST', PATH, { body });
      expect(!inside.test(Buffer.from(answer.body).toString()), 'a message without internals', described(answer));
      expect(answer.status < SERVER_ERROR, 'a refusal, and no failure of the bank', described(answer));
    }
  }),
];
