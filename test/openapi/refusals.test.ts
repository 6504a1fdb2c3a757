import assert from 'node:assert/strict';
import { StatementSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { API_ERRORS, CODES_NEVER_SENT, POLL_BODY_BYTES_MAX } from '@tidings/protocol';
import { errorOf, VERSIONS, type Version } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Resource, type Tpp, type TppRequest } from '../support/tpp.ts';
import { type Json, operationsOf, resolve } from './documented.ts';
import { printPortalNotes } from './print.ts';

// The refusals that the TPP-facing document names are exactly those that can be had: each is provoked here.

const bank = await startBank({ clients: ['tpp-a', 'stranger'] });
const tpp = await makeTpp(bank, 'tpp-a');
const stranger = await makeTpp(bank, 'stranger', { isRegistered: false });
const limited = await startBank({ clients: ['tpp-a'], settings: { api: { requestsPerMinutePerTppMax: 1 } } });
const hasty = await makeTpp(limited, 'tpp-a');
after(async () => {
  for (const party of [tpp, stranger, hasty]) party.close();
  await Promise.all([bank.stop(), limited.stop()]);
});

const { body: document }: { body: Json } = await bank.operate('GET', '/operator/v1/openapi/tpp-facing.json');

const URL_OF_TPP = 'https://tpp.example/v4.0/event-notifications';
const DATA = {
  'event-subscriptions': { CallbackUrl: URL_OF_TPP, Version: '4.0' },
  'callback-urls': { Url: URL_OF_TPP, Version: '4.0' },
} as const;
const ID_OF = { 'event-subscriptions': 'EventSubscriptionId', 'callback-urls': 'CallbackUrlId' } as const;
const URL_FIELD = { 'event-subscriptions': 'CallbackUrl', 'callback-urls': 'Url' } as const;

interface Call extends TppRequest {
  /** Default: the TPP that has the registrations. */
  readonly by?: Tpp;
  /** In the path, in place of that of the registration. */
  readonly id?: string;
}

const bodyOf = (data: object) => JSON.stringify({ Data: data });

/** Calls that are refused whatever the operation. */
const ALWAYS: readonly Call[] = [{ token: null }, { by: stranger }, { headers: { accept: 'text/html' } }];

/** Calls that are refused where a body is sent. @param good a body that is accepted */
function ofBodies(good: string, bytesMax: number): readonly Call[] {
  return [
    { body: '{' },
    { body: good, headers: { 'content-type': 'application/jose+jwe' } },
    { body: `${good}${' '.repeat(bytesMax)}` },
  ];
}

/** Calls that are refused where the body is signed. */
const ofSignatures = (body: string): readonly Call[] => [
  { body, signature: null },
  { body, signature: 'x' },
  { body, joseHeader: { kid: undefined } },
  { body, joseHeader: { kid: 'unknown' } },
  { body, signature: tpp.sign(`${body} `) },
];

/** Every call that an operation on registrations refuses. There is a registration with this id, so no second one. */
function ofRegistration(method: string, resource: Resource, id: string): readonly Call[] {
  if (method === 'GET') return ALWAYS;
  const unread = [{ body: 'x'.repeat(65_537) }, { body: 'x', headers: { 'content-type': ';' } }];
  if (method === 'DELETE') return [...ALWAYS, ...unread, { id: 'unknown' }];
  const named = method === 'PUT' && resource === 'event-subscriptions' ? { [ID_OF[resource]]: id } : {};
  const good = { ...named, ...DATA[resource] };
  const { Version: _, ...unversioned } = good;
  return [
    ...ALWAYS,
    ...ofBodies(bodyOf(good), 65_536),
    ...ofSignatures(bodyOf(good)),
    { body: bodyOf(unversioned) },
    { body: bodyOf({ ...good, [URL_FIELD[resource]]: 'http://tpp.example' }) },
    ...(resource === 'event-subscriptions' ? [{ body: bodyOf({ ...good, EventTypes: ['unknown'] }) }] : []),
    method === 'POST'
      ? { body: bodyOf(good) }
      : {
          id: 'unknown',
          body: bodyOf({ ...good, ...('EventSubscriptionId' in named && { EventSubscriptionId: 'unknown' }) }),
        },
  ];
}

const OF_POLLS: readonly Call[] = [
  ...ALWAYS,
  ...ofBodies('{}', POLL_BODY_BYTES_MAX),
  { body: '{"setErrs":{"x":{"err":"x"}}}' },
  { body: '{"maxEvents":-1}' },
];

/** The status of an answer, with its code where it has one. */
const outcomeOf = (answer: Parameters<typeof errorOf>[0]) => {
  const { status, code } = errorOf(answer);
  return code === undefined ? `${status}` : `${status} ${code}`;
};

/** What the document says of the refusals of an operation. */
function documented(path: string, method: string): string[] {
  const operation = document.paths[path][method.toLowerCase()];
  const refusals = Object.entries<Json>(operation.responses).filter(([status]) => status >= '400');
  return refusals
    .flatMap(([status, response]) => {
      const content = resolve(response, document).content?.['application/json'];
      if (content === undefined) return [status];
      return Object.values<Json>(content.examples).map(({ value }) => `${status} ${value.Errors[0].ErrorCode}`);
    })
    .sort();
}

/** Makes the calls. @returns what came of them, each outcome once */
async function provoked(calls: readonly Call[], method: string, version: Version, path: string): Promise<string[]> {
  const outcomes = new Set<string>();
  for (const { by = tpp, id, ...request } of calls) {
    const target = id === undefined ? path : `${path.split('/')[0]}/${id}`;
    outcomes.add(outcomeOf(await by.call(method, version, target, request)));
  }
  return [...outcomes];
}

const RESOURCES = ['event-subscriptions', 'callback-urls'] as const;

for (const version of VERSIONS) {
  describe(`under ${version}`, () => {
    const base = `/open-banking/${version}`;
    const failure = version === 'v4.0' ? '500 U000' : '500 UK.OBIE.UnexpectedError';
    // Of every operation: provoked in the tests below.
    const ofAll = [failure, '429'];

    for (const resource of RESOURCES) {
      test(`the document names what ${resource} refuse, and nothing else`, async () => {
        await tpp.clear();
        const id = await tpp.create(version, resource, DATA[resource]);
        for (const [method, path, template] of [
          ['POST', resource, resource],
          ['GET', resource, resource],
          ['PUT', `${resource}/${id}`, `${resource}/{${ID_OF[resource]}}`],
          ['DELETE', `${resource}/${id}`, `${resource}/{${ID_OF[resource]}}`],
        ] as const) {
          const refusals = [...(await provoked(ofRegistration(method, resource, id), method, version, path)), ...ofAll];
          assert.deepEqual(refusals.sort(), documented(`${base}/${template}`, method), `${method} ${template}`);
        }
      });
    }

    test('the document names what a poll refuses, and nothing else', async () => {
      await tpp.clear();
      await tpp.create(version, 'event-subscriptions', DATA['event-subscriptions']);
      const refusals = [...(await provoked(OF_POLLS, 'POST', version, 'events')), ...ofAll];
      assert.deepEqual(refusals.sort(), documented(`${base}/events`, 'POST'));
    });

    const everyCall = [
      ['POST', 'events', '{}'],
      ...RESOURCES.flatMap((resource) => {
        const body = bodyOf({
          ...DATA[resource],
          ...(resource === 'event-subscriptions' && { EventSubscriptionId: 'x' }),
        });
        return [
          ['POST', resource, bodyOf(DATA[resource])],
          ['GET', resource, undefined],
          ['PUT', `${resource}/x`, body],
          ['DELETE', `${resource}/x`, undefined],
        ] as const;
      }),
    ] as const;

    test('every operation is 500 while the store is away', async (t) => {
      await tpp.token();
      for (const name of ['get', 'all', 'run', 'iterate'] as const) {
        const real: (this: StatementSync, ...given: never[]) => unknown = StatementSync.prototype[name];
        t.mock.method(StatementSync.prototype, name, function (this: StatementSync, ...given: never[]) {
          if (/FROM tpp\b/.test(this.sourceSQL)) return real.apply(this, given);
          throw Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 10 });
        });
      }
      for (const [method, path, body] of everyCall) {
        assert.equal(outcomeOf(await tpp.call(method, version, path, { body })), failure, `${method} ${path}`);
      }
    });

    test('every operation is 429 beyond the rate', async () => {
      await hasty.call('GET', version, 'event-subscriptions');
      for (const [method, path, body] of everyCall) {
        assert.equal(outcomeOf(await hasty.call(method, version, path, { body })), '429', `${method} ${path}`);
      }
    });
  });
}

test('every operation of the document is looked at here, but for the keys, which refuse nobody', () => {
  const paths = VERSIONS.flatMap((version) => [
    `/open-banking/${version}/events`,
    ...RESOURCES.flatMap((each) => [
      `/open-banking/${version}/${each}`,
      `/open-banking/${version}/${each}/{${ID_OF[each]}}`,
    ]),
  ]);
  const others = Object.keys(document.paths).filter((path) => !paths.includes(path));
  assert.deepEqual(others, ['/.well-known/jwks.json']);
  const ofTpps = operationsOf(document).filter(({ path }) => path.includes('{$request'));
  assert.ok(ofTpps.length > 0 && ofTpps.every(({ operation }) => operation.responses[400] === undefined));
});

test('no code that is never sent stands in the document or in the notes for the portal', async () => {
  const notes = await printPortalNotes();
  for (const name of CODES_NEVER_SENT) {
    const { v40, v31 } = API_ERRORS[name];
    for (const text of [JSON.stringify(document), notes]) {
      assert.ok(!text.includes(`"${v40}"`) && !text.includes(`\`${v40}\``) && !text.includes(String(v31)), name);
    }
  }
});
