import { type ApiVersion, OBCallbackUrlResponse1, shapeOf } from '@tidings/protocol';
import type { AspspContext } from '../context.ts';
import {
  checksOf,
  described,
  type ExpectedError,
  expect,
  expectError,
  expectStatus,
  fail,
  objectOf,
} from '../expect.ts';
import { CB, CB_ENDPOINTS, CB_RESOURCE, RW } from '../sources.ts';

const { must } = checksOf<AspspContext>('Callback URLs');
const PATH = 'callback-urls';
const UNKNOWN_ID = `${RW}, 400 (Bad Request) v/s 404 (Not Found)`;
const answerShape = shapeOf(OBCallbackUrlResponse1);

type Data = Readonly<Record<string, unknown>>;

function goodData(version: ApiVersion): Data {
  return { Url: `https://tpp.example/open-banking/${version}/event-notifications`, Version: version.slice(1) };
}

async function created(context: AspspContext): Promise<{ id: string; data: Data }> {
  context.requireCallbackUrls();
  await context.first.clear();
  const data = goodData(context.newest);
  return { id: await context.first.create(PATH, data), data };
}

function expectSame(actual: Data | undefined, sent: Data, where: string): void {
  for (const name of ['Url', 'Version']) {
    expect(actual?.[name] === sent[name], `Data.${name} to be ${sent[name]} ${where}`, String(actual?.[name]));
  }
}

async function expectRefused(
  context: AspspContext,
  data: Data,
  kinds: ExpectedError['kinds'],
  what: string,
): Promise<void> {
  context.requireCallbackUrls();
  await context.first.clear();
  for (const version of context.versions) {
    const Data = Object.fromEntries(
      Object.entries({ ...goodData(version), ...data }).filter(([, value]) => value !== undefined),
    );
    const answer = await context.first.call('POST', PATH, { version, body: { Data } });
    expectError(answer, { kinds, version, when: `to POST ${version}/${PATH} with ${what}` });
  }
  const list = await context.first.list(PATH);
  expect(list.length === 0, 'nothing to be registered by a request that was refused', JSON.stringify(list));
}

/** Checks of section 2: the resource callback-urls. */
export const CALLBACK_URL_CHECKS = [
  must('CB-01', 'POST creates a callback URL: 201, with what was sent.', CB_ENDPOINTS, async (context) => {
    context.requireCallbackUrls();
    for (const version of context.versions) {
      await context.first.clear();
      const data = goodData(version);
      const answer = await context.first.call('POST', PATH, { version, body: { Data: data } });
      expectStatus(answer, 201, `to POST ${version}/${PATH}`);
      const shaped = answerShape(objectOf(answer, `as the answer to POST /${PATH}`));
      if (!shaped.ok)
        return fail('an OBCallbackUrlResponse1', `${shaped.fault.path} ${shaped.fault.why}: ${described(answer)}`);
      expectSame(shaped.value.Data, data, 'in the answer to POST');
      const self = shaped.value.Links.Self;
      expect(
        self.includes(`/open-banking/${version}/${PATH}`),
        `Links.Self under /open-banking/${version}/${PATH}`,
        self,
      );
    }
  }),
  must('CB-02', 'A client has one callback URL: a second POST is 409 and changes nothing.', CB, async (context) => {
    const { data } = await created(context);
    const other = { ...data, Url: String(data['Url']).replace('tpp.example', 'other.example') };
    expectStatus(await context.first.call('POST', PATH, { body: { Data: other } }), 409, 'to a second POST');
    const list = await context.first.list(PATH);
    expect(list.length === 1, 'one callback URL after a second POST', `${list.length}`);
    expectSame(list[0], data, 'after a second POST');
  }),
  must('CB-03', 'GET lists the one callback URL, and without one an empty list.', CB_ENDPOINTS, async (context) => {
    const { id, data } = await created(context);
    const list = await context.first.list(PATH);
    expect(list.length === 1 && list[0]?.['CallbackUrlId'] === id, `a list of ${id} alone`, JSON.stringify(list));
    expectSame(list[0], data, 'in the list');
    await context.first.clear();
    const empty = await context.first.list(PATH);
    expect(empty.length === 0, 'an empty list', JSON.stringify(empty));
  }),
  must('CB-04', 'PUT changes a callback URL: 200, and GET shows the change.', CB_ENDPOINTS, async (context) => {
    const { id, data } = await created(context);
    const changed = { ...data, Url: String(data['Url']).replace('tpp.example', 'new.example') };
    const answer = await context.first.call('PUT', `${PATH}/${id}`, { body: { Data: changed } });
    expectStatus(answer, 200, `to PUT /${PATH}/{CallbackUrlId}`);
    expectSame((await context.first.list(PATH))[0], changed, 'in the list after PUT');
  }),
  must('CB-05', 'DELETE removes a callback URL: 204 without a body.', CB_ENDPOINTS, async (context) => {
    const { id } = await created(context);
    const answer = await context.first.call('DELETE', `${PATH}/${id}`);
    expectStatus(answer, 204, `to DELETE /${PATH}/{CallbackUrlId}`);
    expect(answer.body.length === 0, 'no body with 204', described(answer));
    const list = await context.first.list(PATH);
    expect(list.length === 0, 'an empty list after DELETE', JSON.stringify(list));
  }),
  must('CB-06', 'PUT and DELETE of an unknown id are 400, not 404.', UNKNOWN_ID, async (context) => {
    context.requireCallbackUrls();
    await context.first.clear();
    for (const version of context.versions) {
      const kinds = ['ResourceNotFound'] as const;
      const put = await context.first.call('PUT', `${PATH}/unknown-id`, { version, body: { Data: goodData(version) } });
      expectError(put, { kinds, version, when: `to PUT ${version}/${PATH}/unknown-id` });
      const removal = await context.first.call('DELETE', `${PATH}/unknown-id`, { version });
      expectError(removal, { kinds, version, when: `to DELETE ${version}/${PATH}/unknown-id` });
    }
  }),
  must('CB-07', 'A Url that is not https, or has another end, is 400.', CB_RESOURCE, async (context) => {
    for (const Url of [
      'http://tpp.example/open-banking/v4.0/event-notifications',
      'https://tpp.example/open-banking/v4.0/events',
    ]) {
      await expectRefused(context, { Url }, ['FieldInvalid'], `the Url ${Url}`);
    }
  }),
  must('CB-08', 'A body without Url or Version is 400, Field.Missing.', CB_RESOURCE, async (context) => {
    await expectRefused(context, { Url: undefined }, ['FieldMissing'], 'no Url');
    await expectRefused(context, { Version: undefined }, ['FieldMissing'], 'no Version');
  }),
  must('CB-09', 'A callback URL with a Version above what the bank supports is 400.', CB_RESOURCE, (context) =>
    expectRefused(context, { Version: '99.0' }, ['FieldInvalid'], 'the Version 99.0'),
  ),
  must('CB-10', 'A client may have an event subscription beside its callback URL.', CB, async (context) => {
    await created(context);
    const answer = await context.first.call('POST', 'event-subscriptions', { body: { Data: { Version: '3.1' } } });
    expectStatus(answer, 201, 'to POST /event-subscriptions beside a callback URL');
  }),
];
