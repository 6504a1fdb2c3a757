import {
  type ApiVersion,
  isJsonObject,
  OBEventSubscriptionResponse1,
  OBEventSubscriptionsResponse1,
  shapeOf,
} from '@tidings/protocol';
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
  requires,
} from '../expect.ts';
import { RW, SUB, SUB_ENDPOINTS, SUB_RESOURCE } from '../sources.ts';
import type { WireAnswer } from '../wire.ts';

const { must, should, may } = checksOf<AspspContext>('Event subscriptions');
const PATH = 'event-subscriptions';
const ORIGIN = 'https://tpp.example';
const RESOURCE_UPDATE = 'UK.OBIE.Resource-Update';
const MISSPELT = 'UK.OBIE.Acount-Access-Consent-Linked-Account-Update';
const UNKNOWN_ID = `${RW}, 400 (Bad Request) v/s 404 (Not Found)`;
const answerShape = shapeOf(OBEventSubscriptionResponse1);
const listShape = shapeOf(OBEventSubscriptionsResponse1);

type Data = Readonly<Record<string, unknown>>;

/** A callback URL to which no check lets anything be sent. */
function callbackUrl(version: ApiVersion): string {
  return `${ORIGIN}/open-banking/${version}/event-notifications`;
}

/** The content of a good registration at this bank, with members replaced; undefined takes a member out. */
function goodData({ config, newest }: AspspContext, version = newest, more: Data = {}): Data {
  const data = {
    ...(config.features.realTime && { CallbackUrl: callbackUrl(version) }),
    Version: version.slice(1),
    EventTypes: [RESOURCE_UPDATE],
    ...more,
  };
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}

function dataOf(answer: WireAnswer): Record<string, unknown> {
  const { Data } = objectOf(answer, `as the answer of /${PATH}`);
  return isJsonObject(Data) ? Data : fail('an object Data', described(answer));
}

/** Every member has to come back as it was sent. */
function expectSame(actual: Data, sent: Data, where: string): void {
  for (const name of ['CallbackUrl', 'Version', 'EventTypes']) {
    const [wanted, got] = [sent[name], actual[name]].map((value) => JSON.stringify(value) ?? 'absent');
    expect(wanted === got, `Data.${name} to be ${wanted} ${where}, as it was sent`, got ?? 'absent');
  }
}

/** Leaves the client with a new registration alone. */
async function created(context: AspspContext, more: Data = {}): Promise<{ id: string; data: Data }> {
  await context.first.clear();
  const data = goodData(context, context.newest, more);
  return { id: await context.first.create(PATH, data), data };
}

/** POSTs what is to be refused through each version, and looks that nothing was registered by it. */
async function expectRefused(
  context: AspspContext,
  more: Data,
  kinds: ExpectedError['kinds'],
  what: string,
): Promise<void> {
  await context.first.clear();
  for (const version of context.versions) {
    const body = { Data: goodData(context, version, more) };
    const answer = await context.first.call('POST', PATH, { version, body });
    expectError(answer, { kinds, version, when: `to POST ${version}/${PATH} with ${what}` });
  }
  const list = await context.first.list(PATH);
  expect(list.length === 0, 'nothing to be registered by a request that was refused', JSON.stringify(list));
}

/** POSTs to each version after a clearance. */
async function postEach(
  context: AspspContext,
  look: (answer: WireAnswer, data: Data, version: ApiVersion) => void,
): Promise<void> {
  for (const version of context.versions) {
    await context.first.clear();
    const data = goodData(context, version);
    const answer = await context.first.call('POST', PATH, { version, body: { Data: data } });
    expectStatus(answer, 201, `to POST ${version}/${PATH}`);
    look(answer, data, version);
  }
}

const CREATION_CHECKS = [
  must('SUB-01', 'POST creates an event subscription: 201.', SUB_ENDPOINTS, (context) =>
    postEach(context, () => undefined),
  ),
  must('SUB-02', 'The answer to POST is an OBEventSubscriptionResponse1 with what was sent.', SUB_RESOURCE, (context) =>
    postEach(context, (answer, data) => {
      const shaped = answerShape(objectOf(answer, `as the answer to POST /${PATH}`));
      if (!shaped.ok)
        fail('an OBEventSubscriptionResponse1', `${shaped.fault.path} ${shaped.fault.why}: ${described(answer)}`);
      expectSame(dataOf(answer), data, 'in the answer to POST');
    }),
  ),
  must(
    'SUB-03',
    'Links.Self is an absolute URI under the version that was called, and Meta is there.',
    SUB_RESOURCE,
    (context) =>
      postEach(context, (answer, _data, version) => {
        const { Links, Meta } = objectOf(answer, `as the answer to POST /${PATH}`);
        const self = isJsonObject(Links) ? String(Links['Self']) : 'none';
        const isUnder = URL.canParse(self) && self.includes(`/open-banking/${version}/${PATH}`);
        expect(isUnder, `an absolute Links.Self under /open-banking/${version}/${PATH}`, self);
        expect(isJsonObject(Meta), 'an object Meta', JSON.stringify(Meta) ?? 'none');
      }),
  ),
  must(
    'SUB-04',
    'A client has one event subscription: a second POST is 409 and changes nothing.',
    SUB,
    async (context) => {
      const { data } = await created(context);
      const other = { ...data, EventTypes: [] };
      expectStatus(await context.first.call('POST', PATH, { body: { Data: other } }), 409, 'to a second POST');
      const list = await context.first.list(PATH);
      expect(list.length === 1, 'one event subscription after a second POST', `${list.length}`);
      expectSame(list[0] ?? {}, data, 'after a second POST');
    },
  ),
  should('SUB-05', 'The 409 says that the registration exists.', `${RW}, Error Codes`, async (context) => {
    await created(context);
    for (const version of context.versions) {
      const answer = await context.first.call('POST', PATH, { version, body: { Data: goodData(context, version) } });
      expectError(answer, { kinds: ['RulesResourceAlreadyExists'], version, when: `to a second POST of ${version}` });
    }
  }),
  must('SUB-06', 'GET lists the one event subscription as it was sent.', SUB_ENDPOINTS, async (context) => {
    const { id, data } = await created(context);
    const answer = await context.first.call('GET', PATH);
    expectStatus(answer, 200, `to GET /${PATH}`);
    const shaped = listShape(objectOf(answer, `as the answer to GET /${PATH}`));
    if (!shaped.ok)
      return fail('an OBEventSubscriptionsResponse1', `${shaped.fault.path} ${shaped.fault.why}: ${described(answer)}`);
    const [found, ...more] = shaped.value.Data.EventSubscription ?? [];
    expect(found?.EventSubscriptionId === id && more.length === 0, `a list of ${id} alone`, described(answer));
    expectSame({ ...found }, data, 'in the list');
  }),
  must('SUB-07', 'GET without a registration is 200 with an empty list.', SUB_ENDPOINTS, async ({ first }) => {
    await first.clear();
    const list = await first.list(PATH);
    expect(list.length === 0, 'an empty list', JSON.stringify(list));
  }),
  must('SUB-14', 'EventTypes that were left out stay left out.', SUB_RESOURCE, async (context) => {
    const { data } = await created(context, { EventTypes: undefined });
    expectSame((await context.first.list(PATH))[0] ?? {}, data, 'in the list');
  }),
  must('SUB-15', 'An empty EventTypes stays empty.', SUB_RESOURCE, async (context) => {
    const { data } = await created(context, { EventTypes: [] });
    expectSame((await context.first.list(PATH))[0] ?? {}, data, 'in the list');
  }),
  must(
    'SUB-26',
    'An event subscription without a CallbackUrl is created: the client only polls.',
    SUB_RESOURCE,
    async (context) => {
      context.requirePolling();
      const { data } = await created(context, { CallbackUrl: undefined });
      expectSame((await context.first.list(PATH))[0] ?? {}, data, 'in the list');
    },
  ),
  may(
    'SUB-27',
    'The misspelt event type of v3.1.2 (Acount-Access) is accepted.',
    SUB.replace('v4.0', 'v3.1.2'),
    async (context) => {
      await context.first.clear();
      const version = context.versions[0] ?? context.newest;
      const body = { Data: goodData(context, version, { EventTypes: [MISSPELT] }) };
      expectStatus(await context.first.call('POST', PATH, { version, body }), 201, 'to the misspelt event type');
    },
  ),
  should(
    'SUB-28',
    'On v3.1, a CallbackUrl without a version before its end is accepted.',
    `${SUB.replace('v4.0', 'v3.1.2')}, examples`,
    async (context) => {
      context.requireRealTime();
      context.requireVersion('v3.1');
      await context.first.clear();
      const body = { Data: goodData(context, 'v3.1', { CallbackUrl: `${ORIGIN}/open-banking/event-notifications` }) };
      expectStatus(await context.first.call('POST', PATH, { version: 'v3.1', body }), 201, 'to such a CallbackUrl');
    },
  ),
];

const CHANGE_CHECKS = [
  must(
    'SUB-08',
    'PUT changes an event subscription: 200, and GET shows the change.',
    SUB_ENDPOINTS,
    async (context) => {
      const { id, data } = await created(context);
      const changed = { EventSubscriptionId: id, ...data, EventTypes: [] };
      const answer = await context.first.call('PUT', `${PATH}/${id}`, { body: { Data: changed } });
      expectStatus(answer, 200, `to PUT /${PATH}/{EventSubscriptionId}`);
      expectSame(dataOf(answer), changed, 'in the answer to PUT');
      expectSame((await context.first.list(PATH))[0] ?? {}, changed, 'in the list after PUT');
    },
  ),
  must('SUB-09', 'A PUT whose body names another id than the path is 400.', SUB_RESOURCE, async (context) => {
    const { id, data } = await created(context);
    const body = { Data: { EventSubscriptionId: 'another-id', ...data } };
    const answer = await context.first.call('PUT', `${PATH}/${id}`, { body });
    expectError(answer, {
      kinds: ['FieldInvalid'],
      version: context.newest,
      when: 'to a PUT with another id in the body',
    });
  }),
  must('SUB-10', 'A PUT without EventSubscriptionId in the body is 400.', SUB_RESOURCE, async (context) => {
    const { id, data } = await created(context);
    const answer = await context.first.call('PUT', `${PATH}/${id}`, { body: { Data: data } });
    expectError(answer, {
      kinds: ['FieldMissing'],
      version: context.newest,
      when: 'to a PUT without EventSubscriptionId',
    });
  }),
  must('SUB-11', 'A PUT of an unknown id is 400, not 404.', UNKNOWN_ID, async (context) => {
    await context.first.clear();
    for (const version of context.versions) {
      const body = { Data: { EventSubscriptionId: 'unknown-id', ...goodData(context, version) } };
      const answer = await context.first.call('PUT', `${PATH}/unknown-id`, { version, body });
      expectError(answer, {
        kinds: ['ResourceNotFound'],
        version,
        when: `to PUT ${version}/${PATH} with an unknown id`,
      });
    }
  }),
  must('SUB-12', 'DELETE removes an event subscription: 204 without a body.', SUB_ENDPOINTS, async (context) => {
    const { id } = await created(context);
    const answer = await context.first.call('DELETE', `${PATH}/${id}`);
    expectStatus(answer, 204, `to DELETE /${PATH}/{EventSubscriptionId}`);
    expect(answer.body.length === 0, 'no body with 204', described(answer));
    const list = await context.first.list(PATH);
    expect(list.length === 0, 'an empty list after DELETE', JSON.stringify(list));
  }),
  must('SUB-13', 'A DELETE of an unknown id is 400, not 404.', UNKNOWN_ID, async ({ first, versions }) => {
    await first.clear();
    for (const version of versions) {
      const answer = await first.call('DELETE', `${PATH}/unknown-id`, { version });
      expectError(answer, { kinds: ['ResourceNotFound'], version, when: `to DELETE ${version}/${PATH}/unknown-id` });
    }
  }),
  must('SUB-29', 'After a DELETE, the client can register again.', SUB_ENDPOINTS, async (context) => {
    const { id, data } = await created(context);
    expectStatus(await context.first.call('DELETE', `${PATH}/${id}`), 204, 'to DELETE');
    expectStatus(await context.first.call('POST', PATH, { body: { Data: data } }), 201, 'to POST after DELETE');
  }),
  must('SUB-30', 'What is deleted is unknown: a second DELETE is 400.', SUB_ENDPOINTS, async (context) => {
    const { id } = await created(context);
    expectStatus(await context.first.call('DELETE', `${PATH}/${id}`), 204, 'to the first DELETE');
    const again = await context.first.call('DELETE', `${PATH}/${id}`);
    expectError(again, { kinds: ['ResourceNotFound'], version: context.newest, when: 'to the second DELETE' });
  }),
];

const REFUSAL_CHECKS = [
  must('SUB-16', 'An unknown event type is 400, Unsupported.EventType.', SUB_RESOURCE, (context) =>
    expectRefused(
      context,
      { EventTypes: ['UK.OBIE.No-Such-Event'] },
      ['UnsupportedEventType'],
      'an unknown event type',
    ),
  ),
  should(
    'SUB-17',
    'The refusal of an event type names the field, and the list of those supported.',
    SUB_RESOURCE,
    async (context) => {
      await context.first.clear();
      const body = { Data: goodData(context, context.newest, { EventTypes: ['UK.OBIE.No-Such-Event'] }) };
      const answer = await context.first.call('POST', PATH, { body });
      const [error] = errorsOf(answer);
      expect(/EventTypes/.test(String(error?.['Path'])), 'Path with Data.EventTypes', described(answer));
      expect(URL.canParse(String(error?.['Url'])), 'Url of the list of supported types', described(answer));
    },
  ),
  must('SUB-18', 'A CallbackUrl that is not https is 400.', SUB_RESOURCE, (context) => {
    context.requireRealTime();
    const CallbackUrl = 'http://tpp.example/open-banking/v4.0/event-notifications';
    return expectRefused(context, { CallbackUrl }, ['FieldInvalid'], 'an http CallbackUrl');
  }),
  must('SUB-19', 'A CallbackUrl that does not end in /event-notifications is 400.', SUB_RESOURCE, (context) => {
    context.requireRealTime();
    return expectRefused(
      context,
      { CallbackUrl: `${ORIGIN}/open-banking/v4.0/events` },
      ['FieldInvalid'],
      'another end of the CallbackUrl',
    );
  }),
  must('SUB-20', 'On v4.0, a CallbackUrl without the version before its end is 400.', SUB_RESOURCE, async (context) => {
    context.requireRealTime();
    context.requireVersion('v4.0');
    await context.first.clear();
    const body = { Data: goodData(context, 'v4.0', { CallbackUrl: `${ORIGIN}/open-banking/event-notifications` }) };
    const answer = await context.first.call('POST', PATH, { version: 'v4.0', body });
    expectError(answer, { kinds: ['FieldInvalid'], version: 'v4.0', when: 'to a CallbackUrl without a version' });
  }),
  should('SUB-21', 'A CallbackUrl with query, fragment or user name is 400.', SUB_RESOURCE, async (context) => {
    context.requireRealTime();
    const url = callbackUrl(context.newest);
    for (const CallbackUrl of [
      `${url}?a=b`,
      `${url}#a`,
      url.replace('//', '//user@'),
      url.replace('//', '//user:pass@'),
    ]) {
      await context.first.clear();
      const body = { Data: goodData(context, context.newest, { CallbackUrl }) };
      expectStatus(await context.first.call('POST', PATH, { body }), 400, `to the CallbackUrl ${CallbackUrl}`);
    }
  }),
  must('SUB-22', 'A CallbackUrl that is no URL is 400.', SUB_RESOURCE, (context) => {
    context.requireRealTime();
    return expectRefused(context, { CallbackUrl: 'not a url' }, ['FieldInvalid'], 'a text that is no URL');
  }),
  must('SUB-23', 'A body without Version is 400, Field.Missing.', SUB_RESOURCE, (context) =>
    expectRefused(context, { Version: undefined }, ['FieldMissing'], 'no Version'),
  ),
  must('SUB-24', 'A Version above what the bank supports is 400.', SUB_RESOURCE, (context) =>
    expectRefused(context, { Version: '99.0' }, ['FieldInvalid'], 'the Version 99.0'),
  ),
  must('SUB-25', 'A Version that is no version, or too long, is 400.', SUB_RESOURCE, async (context) => {
    for (const Version of ['four', '', 'v4.0', '4.0.0.0.0.0.0', 4]) {
      const kinds = ['FieldInvalid', 'ResourceInvalidFormat', 'FieldMissing'] as const;
      await expectRefused(context, { Version }, kinds, `the Version ${JSON.stringify(Version)}`);
    }
  }),
  must(
    'SUB-31',
    'At a bank without delivery in real time, a CallbackUrl is 400, Field.Unexpected.',
    SUB_RESOURCE,
    (context) => {
      requires(!context.config.features.realTime, 'The bank sends events in real time (features.realTime).');
      const CallbackUrl = callbackUrl(context.newest);
      return expectRefused(context, { CallbackUrl }, ['FieldUnexpected'], 'a CallbackUrl');
    },
  ),
];

/** Checks of section 2: the resource event-subscriptions. */
export const EVENT_SUBSCRIPTION_CHECKS = [...CREATION_CHECKS, ...CHANGE_CHECKS, ...REFUSAL_CHECKS];
