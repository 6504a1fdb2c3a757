import { API_ERRORS, type ApiVersion, isJsonObject } from '@tidings/protocol';
import type { BankRequest } from '../bank-client.ts';
import type { AspspContext } from '../context.ts';
import {
  checksOf,
  described,
  type ExpectedError,
  errorsOf,
  expect,
  expectError,
  expectStatus,
  fail,
  objectOf,
} from '../expect.ts';
import { RW_ERRORS, RW_STATUS, SUB_RESOURCE } from '../sources.ts';
import type { WireAnswer } from '../wire.ts';

const { must, should } = checksOf<AspspContext>('Errors and malformed requests');
const PATH = 'event-subscriptions';
const SERVER_ERROR = 500;
const DEPTH = 5000;
const STRICT_JSON = 'RFC 8259, sections 4 and 8';

/** A request whose body is refused, in each version. */
async function expectRefused(
  { first, versions }: AspspContext,
  request: BankRequest,
  kinds: ExpectedError['kinds'],
  what: string,
): Promise<void> {
  await first.clear();
  for (const version of versions) {
    const answer = await first.call('POST', PATH, { ...request, version });
    expectError(answer, { kinds, version, when: `to POST ${version}/${PATH} with ${what}` });
  }
}

function expectOnly(value: Record<string, unknown>, members: readonly string[], what: string): void {
  const more = Object.keys(value).filter((name) => !members.includes(name));
  expect(more.length === 0, `${what} with ${members.join(', ')} alone`, `also ${more.join(', ')}`);
}

function isText(value: unknown, charsMax: number): boolean {
  return typeof value === 'string' && value.length >= 1 && value.length <= charsMax;
}

/** `OBErrorResponse1` of the version. */
function expectErrorBody(answer: WireAnswer, version: ApiVersion): void {
  const body = objectOf(answer, 'as the body of a 400');
  const { Id, Errors, Code, Message } = body;
  expectOnly(body, version === 'v4.0' ? ['Id', 'Errors'] : ['Code', 'Id', 'Message', 'Errors'], 'an error');
  if (!Array.isArray(Errors) || Errors.length === 0) fail('a list Errors of one or more', described(answer));
  expect(Id === undefined || isText(Id, 40), 'Id of 1 to 40 characters, or none', described(answer));
  if (version === 'v3.1') expect(isText(Code, 40) && isText(Message, 500), 'Code and Message', described(answer));
  for (const error of Errors) {
    if (!isJsonObject(error)) fail('an object in Errors', described(answer));
    expectOnly(error, ['ErrorCode', 'Message', 'Path', 'Url'], 'an entry of Errors');
    const pattern = version === 'v4.0' ? /^U\d{3}$/ : /^UK\.OBIE\.[A-Za-z.]+$/;
    expect(pattern.test(String(error['ErrorCode'])), `an ErrorCode of ${version}`, described(answer));
    const { Message: message } = error;
    expect(
      isText(message, 500) || (version === 'v4.0' && message === undefined),
      'Message of an entry of Errors',
      described(answer),
    );
  }
}

async function expectBody(context: AspspContext, version: ApiVersion): Promise<void> {
  context.requireVersion(version);
  await context.first.clear();
  for (const body of ['{', '{"Data":{}}', '{"Data":{"Version":"99.0"}}']) {
    const answer = await context.first.call('POST', PATH, { version, body });
    expectStatus(answer, 400, `to the body ${body}`);
    expectErrorBody(answer, version);
  }
}

/** Bodies that a bank has to refuse, and to survive. */
function hostileBodies(): readonly (readonly [what: string, body: string | Uint8Array])[] {
  return [
    ['a body nested 5,000 deep', `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`],
    ['a nested object in place of Version', `{"Data":{"Version":${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}}}`],
    ['a number in place of Data', '{"Data":4}'],
    ['null', 'null'],
    ['an empty body', ''],
    ['a list in place of the body', '[{"Data":{"Version":"4.0"}}]'],
    ['EventTypes that is a text', '{"Data":{"Version":"4.0","EventTypes":"UK.OBIE.Resource-Update"}}'],
    ['EventTypes with a number', '{"Data":{"Version":"4.0","EventTypes":[4]}}'],
    ['a Version of 100,000 characters', `{"Data":{"Version":"${'4'.repeat(100_000)}"}}`],
    ['a body that is not UTF-8', Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['two documents', '{"Data":{"Version":"4.0"}}{}'],
    ['a prototype in the body', '{"__proto__":{"Data":{"Version":"4.0"}}}'],
  ];
}

/** Checks of section 7: bodies that are refused, and how. */
export const ERROR_CHECKS = [
  must('ERR-01', 'Errors of v4.0 are an OBErrorResponse1 of v4.0.', RW_ERRORS, (context) =>
    expectBody(context, 'v4.0'),
  ),
  must('ERR-02', 'Errors of v3.1 are an OBErrorResponse1 of v3.1.', RW_ERRORS, (context) =>
    expectBody(context, 'v3.1'),
  ),
  should('ERR-03', 'Path names the field that is wrong.', RW_ERRORS, async (context) => {
    await context.first.clear();
    const answer = await context.first.call('POST', PATH, { body: { Data: { Version: '99.0' } } });
    const path = errorsOf(answer)[0]?.['Path'];
    expect(path === 'Data.Version', 'Path: Data.Version', String(path ?? described(answer)));
  }),
  must('ERR-04', 'A body that is not JSON is 400, Resource.InvalidFormat.', RW_STATUS, (context) =>
    expectRefused(context, { body: '{"Data":' }, ['ResourceInvalidFormat'], 'a body that is not JSON'),
  ),
  must('ERR-05', 'An unknown member beside Data is 400, Resource.InvalidFormat.', SUB_RESOURCE, (context) =>
    expectRefused(
      context,
      { body: { Data: { Version: '3.1' }, Unknown: 1 } },
      ['ResourceInvalidFormat', 'FieldUnexpected'],
      'an unknown member beside Data',
    ),
  ),
  must('ERR-06', 'A body without Data is 400.', SUB_RESOURCE, (context) =>
    expectRefused(context, { body: {} }, ['FieldMissing', 'ResourceInvalidFormat'], 'no Data'),
  ),
  should('ERR-07', 'A member that comes twice is refused.', STRICT_JSON, (context) =>
    expectRefused(
      context,
      { body: '{"Data":{"Version":"3.1","Version":"3.1.1"}}' },
      ['ResourceInvalidFormat', 'FieldInvalid'],
      'Version twice',
    ),
  ),
  should('ERR-08', 'A byte order mark before the body is refused.', STRICT_JSON, (context) =>
    expectRefused(
      context,
      { body: '\uFEFF{"Data":{"Version":"3.1"}}' },
      ['ResourceInvalidFormat'],
      'a byte order mark',
    ),
  ),
  must('ERR-09', 'Hostile bodies are refused with 400 or 413: no failure of the bank.', RW_STATUS, async (context) => {
    await context.first.clear();
    for (const [what, body] of hostileBodies()) {
      const answer = await context.first.call('POST', PATH, { body });
      expectStatus(answer, [400, 413], `to ${what}`);
    }
    const list = await context.first.list(PATH);
    expect(list.length === 0, 'nothing to be registered by hostile bodies', JSON.stringify(list));
  }),
  must('ERR-10', 'Hostile ids in the path are refused: no failure of the bank.', RW_STATUS, async ({ first }) => {
    for (const id of ['%00', '..%2f..%2fetc', '%27%20OR%201=1--', 'x'.repeat(2000), '%ff', '*', '%7B%7D']) {
      const answer = await first.call('DELETE', `${PATH}/${id}`);
      const isRefused = answer.status >= 400 && answer.status < SERVER_ERROR;
      expect(isRefused, `a refusal of DELETE ${PATH}/${id.slice(0, 40)}`, described(answer));
    }
  }),
  must(
    'ERR-11',
    'A refusal for which the standard has no code has no body, or a valid one.',
    RW_ERRORS,
    async (context) => {
      const { first, second } = context;
      await first.clear();
      await second.clear();
      const id = await first.create(PATH, { Version: '3.1' });
      const answer = await second.call('DELETE', `${PATH}/${id}`);
      expectStatus(answer, API_ERRORS.Forbidden.status, 'to DELETE of what another client registered');
      if (answer.body.length > 0) expectErrorBody(answer, context.newest);
    },
  ),
];
