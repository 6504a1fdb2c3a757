import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { JWS_CHARS_MAX, parseSetClaims } from '@tidings/protocol';
import { createHttpClient } from '@tidings/testing';
import { errorOf, VERSIONS } from '../support/answers.ts';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';

// What texts may be that are kept or signed, at every entrance and on both stores.

const BANK_SIGN = '\u{1f3e6}';
const HALF = 'x\ud800';
const NUL = 'x\0';

const server = await startPostgres({ isDurable: false });
const STORES = {
  sqlite: { file: 'tidings.db' },
  postgres: { file: undefined, url: await server.createDatabase(), isMigratedAtStart: true },
};
after(() => server.stop());

type Fields = Record<string, unknown>;

const LINK = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/p-1';
const UPDATE = { type: 'UK.OBIE.Resource-Update' };
const REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';
const OWN_TYPES = ['one', 'two'].map((name) => ({ urn: `urn:bank:event:${name}`, subscribeCode: `BANK.${name}` }));
let events = 0;

function eventOf(changes: Fields = {}, resource: Fields = {}): Fields {
  events += 1;
  return {
    ...{ id: `event-${events}`, clientId: 'tpp-a', occurredAt: '2026-01-02T03:04:05Z', events: [UPDATE] },
    resource: {
      ...{ id: 'p-1', type: 'domestic-payment', version: '4.0', uri: LINK },
      ...{ links: [{ version: 'v4.0', link: LINK }], ...resource },
    },
    ...changes,
  };
}

/** Every text of an event with a limit, by its field; `text` goes into it. */
const LIMITED: Readonly<Record<string, (text: string) => Fields>> = {
  id: (id) => eventOf({ id }),
  transactionId: (transactionId) => eventOf({ transactionId }),
  'events[0].reason': (reason) => eventOf({ events: [{ type: REVOKED, reason }] }),
  'resource.id': (id) => eventOf({}, { id }),
  'resource.type': (type) => eventOf({}, { type }),
};

/** Every text of an event, by its field. */
const TEXTS: typeof LIMITED = {
  ...LIMITED,
  clientId: (clientId) => eventOf({ clientId }),
  occurredAt: (occurredAt) => eventOf({ occurredAt }),
  'events[0].type': (type) => eventOf({ events: [{ type }] }),
  'resource.version': (version) => eventOf({}, { version }),
  'resource.uri': (uri) => eventOf({}, { uri }),
  'resource.links[0].link': (link) => eventOf({}, { links: [{ version: 'v4.0', link }] }),
  'resource.links[0].version': (version) => eventOf({}, { links: [{ version, link: LINK }] }),
};

const CLOUD = { specversion: '1.0', source: 'bank', type: UPDATE.type, time: '2026-01-02T03:04:05Z', subject: 'p-1' };
const { id: _, clientId, resource } = eventOf();

for (const [name, store] of Object.entries(STORES)) {
  describe(`with a ${name} store`, async () => {
    const bank = await startBank({ clients: ['tpp-a'], settings: { store, ownEventTypes: OWN_TYPES } });
    const tpp = await makeTpp(bank, 'tpp-a');
    const operator = createHttpClient(bank.service.operatorUrl);
    after(async () => {
      operator.close();
      tpp.close();
      await bank.stop();
    });
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const publish = (body: unknown) => bank.operate('POST', '/operator/v1/events', body);

    for (const [field, withText] of Object.entries(LIMITED)) {
      test(`${field} of 128 characters is published, and what is signed is accepted; of 129 it is refused`, async () => {
        for (const unit of ['x', 'é', BANK_SIGN]) {
          const { status, body } = await publish(withText(unit.repeat(128)));
          assert.equal(status, 200, JSON.stringify(body));
          const sets = Object.values((await tpp.poll({ maxEvents: 100 })).sets);
          assert.equal(sets.length, 1);
          for (const set of sets) parseSetClaims(Buffer.from(set.split('.')[1] ?? '', 'base64url'));
          const refused = await publish(withText(unit.repeat(129)));
          assert.deepEqual([refused.status, refused.body['field']], [400, field]);
        }
      });
    }

    test('texts that are short enough but too many for any receiver are 400; of the longest SET ours reads all', async () => {
      const types = [UPDATE, ...OWN_TYPES.map(({ urn: type }) => ({ type }))];
      // The subject stands in each of the types.
      const withLinks = (chars: number) => {
        const links = Array.from({ length: 20 }, (_, at) => {
          return { version: `v${at}`, link: `https://bank.example/${'x'.repeat(chars)}` };
        });
        return eventOf({ events: types }, { links });
      };
      const refused = await publish(withLinks(1800));
      assert.deepEqual([refused.status, refused.body['field']], [400, 'resource.links']);
      assert.equal((await publish(withLinks(1400))).status, 200);
      const [set = ''] = Object.values((await tpp.poll()).sets);
      assert.ok(set.length > 100_000 && set.length <= JWS_CHARS_MAX, `${set.length}`);
      parseSetClaims(Buffer.from(set.split('.')[1] ?? '', 'base64url'));
    });

    for (const [what, text] of [
      ['an unpaired surrogate', HALF],
      ['U+0000', NUL],
    ] as const) {
      test(`${what} in any text of an event is 400 that names the field, and nothing is published`, async () => {
        for (const [field, withText] of Object.entries(TEXTS)) {
          const { status, body } = await publish([eventOf(), withText(text)]);
          assert.deepEqual([status, body['field']], [400, `[1].${field}`]);
          assert.match(String(body['detail']), what === 'U+0000' ? /U\+0000/ : /unpaired surrogate/);
        }
      });

      test(`${what} in the name of a member is 400 that names it`, async () => {
        const { status, body } = await publish({ ...eventOf(), [text]: 1 });
        assert.deepEqual([status, body['field']], [400, 'x\ufffd']);
      });

      test(`${what} in a CloudEvent is 400 that names the attribute, structured`, async () => {
        for (const attribute of ['id', 'source', 'subject', 'comexample']) {
          const answer = await operator.send('/operator/v1/events', {
            method: 'POST',
            headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/cloudevents+json' },
            body: JSON.stringify({ ...CLOUD, id: 'ce-1', [attribute]: text, data: { clientId, resource } }),
          });
          const problem = JSON.parse(answer.body.toString());
          assert.deepEqual([answer.status, problem.field], [400, attribute]);
        }
      });

      test(`${what} in what an operator sends about TPPs and notifications is 400 that names the field`, async () => {
        const tppOf = (changes: Fields) => ({
          ...{ organisationId: 'o', softwareStatementId: 's', jwks: { keys: [tpp.signing.jwk] }, ...changes },
        });
        for (const [method, path, body, field] of [
          ['PUT', '/tpps/tpp-b', tppOf({ organisationId: text }), 'organisationId'],
          ['PUT', '/tpps/tpp-b', tppOf({ softwareStatementId: text }), 'softwareStatementId'],
          ['PUT', '/tpps/tpp-b', tppOf({ certificateSubject: `CN=${text}` }), 'certificateSubject'],
          ['PUT', '/tpps/tpp-b', tppOf({ jwks: { keys: [{ ...tpp.signing.jwk, kid: text }] } }), 'jwks.keys[0].kid'],
          ['POST', '/redeliveries', { jtis: [text] }, 'jtis[0]'],
          ['POST', '/withdrawals', { clientId: text }, 'clientId'],
        ] as const) {
          const answer = await bank.operate(method, `/operator/v1${path}`, body);
          assert.deepEqual([path, answer.status, answer.body['field']], [path, 400, field]);
        }
      });

      for (const version of VERSIONS) {
        test(`${what} in what a TPP sends under ${version} is 400 that names the field, and nothing is kept`, async () => {
          await refusesOfTpp(tpp, version, text);
          assert.equal((await tpp.list(version === 'v3.1' ? 'v4.0' : version, 'event-subscriptions')).length, 1);
        });
      }
    }

    test('U+0000 in a parameter of path, query or binary CloudEvent is 400 that names it, never 503', async () => {
      for (const [path, field] of [
        ['/tpps/x%00', 'clientId'],
        ['/tpps/x%00/registrations', 'clientId'],
        ['/tpps?after=x%00', 'after'],
        ['/notifications/x%00', 'jti'],
        ['/notifications/x%00/evidence', 'jti'],
        ['/notifications?eventId=x%00', 'eventId'],
        ['/notifications?clientId=a&clientId=x%00', 'clientId'],
        ['/registrations?after=x%00', 'after'],
        ['/callback-urls/x%00', 'clientId'],
        ['/callback-urls?after=x%00', 'after'],
        ['/signing-keys/x%00', 'kid'],
        ['/audit?actor=x%00', 'actor'],
        ['/audit?x%00=1', 'x\ufffd'],
      ] as const) {
        const { status, body } = await bank.operate('GET', `/operator/v1${path}`);
        assert.deepEqual([path, status, body['field']], [path, 400, field]);
      }
      const binary = { 'ce-specversion': '1.0', 'ce-source': 'bank', 'ce-type': UPDATE.type, 'ce-id': 'x%00' };
      const answer = await operator.send('/operator/v1/events', {
        method: 'POST',
        headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json', ...binary },
        body: JSON.stringify({ clientId, resource }),
      });
      assert.deepEqual([answer.status, JSON.parse(answer.body.toString()).field], [400, 'ce-id']);
    });

    test('an id with U+0000 in the path of a registration is one that is not known', async () => {
      for (const resourceName of ['event-subscriptions', 'callback-urls'] as const) {
        const answer = await tpp.call('DELETE', 'v4.0', `${resourceName}/x%00`);
        assert.equal(errorOf(answer).code, 'U011');
      }
      const url = 'https://tpp.example/v4.0/event-notifications';
      const replaced = await tpp.put('v4.0', 'callback-urls', 'x%00', { Url: url, Version: '4.0' });
      assert.equal(errorOf(replaced).code, 'U011');
    });

    test('queries count characters as bodies do', async () => {
      for (const [path, max] of [
        ['/notifications?eventId=', 512],
        ['/audit?actor=', 256],
      ] as const) {
        const ask = (count: number) =>
          bank.operate('GET', `/operator/v1${path}${encodeURIComponent(BANK_SIGN.repeat(count))}`);
        assert.equal((await ask(max)).status, 200);
        assert.equal((await ask(max + 1)).status, 400);
      }
    });
  });
}

async function refusesOfTpp(tpp: Tpp, version: (typeof VERSIONS)[number], text: string): Promise<void> {
  const data = { Version: '4.0', CallbackUrl: 'https://tpp.example/v4.0/event-notifications' };
  const url = { Version: '4.0', Url: data.CallbackUrl };
  const invalid = version === 'v4.0' ? 'U002' : 'UK.OBIE.Field.Invalid';
  const unreadable = version === 'v4.0' ? 'U010' : 'UK.OBIE.Resource.InvalidFormat';
  const shown = 'x\ufffd';
  for (const [path, body, code, at] of [
    ['event-subscriptions', { Data: { ...data, Version: text } }, invalid, 'Data.Version'],
    ['event-subscriptions', { Data: { ...data, CallbackUrl: text } }, invalid, 'Data.CallbackUrl'],
    ['event-subscriptions', { Data: { ...data, EventTypes: [UPDATE.type, text] } }, invalid, 'Data.EventTypes[1]'],
    ['event-subscriptions', { Data: { ...data, Own: { a: [text] } } }, invalid, 'Data.Own.a[0]'],
    ['event-subscriptions', { Data: { ...data, [text]: 1 } }, invalid, `Data.${shown}`],
    ['event-subscriptions', { Data: data, [text]: 1 }, unreadable, shown],
    ['callback-urls', { Data: { ...url, Url: text } }, invalid, 'Data.Url'],
    ['callback-urls', { Data: { ...url, Version: text } }, invalid, 'Data.Version'],
    ['events', { ack: ['a', text] }, invalid, 'ack[1]'],
    ['events', { setErrs: { [text]: { err: 'x', description: 'x' } } }, invalid, `setErrs.${shown}`],
    ['events', { setErrs: { a: { err: text, description: 'x' } } }, invalid, 'setErrs.a.err'],
    ['events', { setErrs: { a: { err: 'x', description: text } } }, invalid, 'setErrs.a.description'],
  ] as const) {
    const answer = await tpp.call('POST', version, path, { body: JSON.stringify(body) });
    assert.deepEqual(errorOf(answer), { status: 400, code, path: at });
  }
}
