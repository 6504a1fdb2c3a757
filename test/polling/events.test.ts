import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, describe, test } from 'node:test';
import { accessTokenOf, claimsOf, headerOf, isSignedWith, until } from '@tidings/testing';
import { errorOf, VERSIONS, type Version } from '../support/answers.ts';
import { AUDIENCE, type Bank, startBank } from '../support/bank.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// Section 6: POST /events, under both versions.

const REOFFER_MS = 60_000;
const AFTER_ERROR_MS = 300_000;
const MAX_EVENTS = { maxEventsDefault: 3, maxEventsMax: 5 };
const bank = await startBank({ clients: ['tpp-a', 'tpp-b', 'idle'], settings: { polling: MAX_EVENTS } });
const tpp = await makeTpp(bank, 'tpp-a');
const other = await makeTpp(bank, 'tpp-b');
const idle = await makeTpp(bank, 'idle');
after(async () => {
  for (const party of [tpp, other, idle]) party.close();
  await bank.stop();
});
afterEach(async () => {
  await tpp.clear();
  await other.clear();
});

const subscribe = (party: Tpp, version: Version = 'v3.1') =>
  party.create(version, 'event-subscriptions', { Version: '3.1.2' });

/** Publishes events for a TPP, one after the other. @returns their jtis, oldest first */
async function published(count: number, party = tpp, at: Bank = bank): Promise<string[]> {
  const jtis: string[] = [];
  for (let done = 0; done < count; done += 1) jtis.push((await at.publish(party.clientId)) ?? '');
  return jtis;
}

interface PollingDocument {
  readonly components: {
    readonly schemas: {
      readonly OBEventPolling1: {
        readonly properties: {
          readonly ack: { readonly maxItems: number };
          readonly setErrs: { readonly maxProperties: number };
        };
      };
    };
  };
}

const errOf = (err: string) => ({ err, description: 'said by the test' });
const stateOf = async (jti: string) => (await bank.notification(jti))['state'];

for (const version of VERSIONS) {
  const poll = async (body: object = {}) => {
    const { sets, ...answer } = await tpp.poll(body, { version });
    return { jtis: Object.keys(sets), sets, ...answer };
  };

  describe(`polling under ${version}`, () => {
    test('the answer has sets, {} when there is nothing, and moreAvailable, always [6 answer-shape]', async () => {
      await subscribe(tpp);
      const answer = await tpp.call('POST', version, 'events', { body: '{}' });
      assert.equal(answer.body.toString(), '{"sets":{},"moreAvailable":false}');
      assert.equal(answer.headers['x-jws-signature'], undefined);
    });

    test('a set is a compact JWS of the bank under its jti, for the caller [6 sets]', async () => {
      await subscribe(tpp);
      const [jti = ''] = await published(1);
      const set = (await poll()).sets[jti] ?? '';
      assert.ok(isSignedWith(set, bank.signingKey.jwk));
      const { jti: claimed, aud, exp } = claimsOf(set);
      assert.deepEqual([claimed, aud, exp, headerOf(set)['typ']], [jti, 'tpp-a', undefined, undefined]);
    });

    test('oldest first, as many as by default, as named, and never over the cap [6 max-events]', async () => {
      await subscribe(tpp);
      const jtis = await published(12);
      assert.deepEqual((await poll()).jtis, jtis.slice(0, 3));
      assert.deepEqual((await poll({ maxEvents: 1 })).jtis, jtis.slice(3, 4));
      assert.deepEqual((await poll({ maxEvents: 9 })).jtis, jtis.slice(4, 9));
      assert.deepEqual((await poll({ maxEvents: 9 })).jtis, jtis.slice(9));
    });

    test('moreAvailable is true exactly when there is more [6 more-available]', async () => {
      await subscribe(tpp);
      await published(4);
      assert.deepEqual((await poll({ maxEvents: 3 })).moreAvailable, true);
      assert.deepEqual((await poll({ maxEvents: 1 })).moreAvailable, false);
      assert.deepEqual((await poll({ maxEvents: 1 })).moreAvailable, false);
    });

    test('maxEvents 0 acknowledges, gives nothing, and is answered at once [6 max-events-0]', async () => {
      await subscribe(tpp);
      const [first = '', second = ''] = await published(2);
      const answer = await poll({ maxEvents: 0, ack: [first], returnImmediately: false });
      assert.deepEqual([answer.jtis, answer.moreAvailable], [[], true]);
      assert.deepEqual([await stateOf(first), await stateOf(second)], ['acknowledged', 'awaiting']);
    });

    test('an acknowledgement is applied before the answer is computed [6 ack-before-answer]', async () => {
      await subscribe(tpp);
      const [first = '', second = ''] = await published(2);
      assert.deepEqual((await poll({ ack: [first] })).jtis, [second]);
    });

    test('acknowledgements touch only the caller’s own, and unknown jtis are ignored [6 ack-own-only]', async () => {
      await subscribe(tpp);
      await subscribe(other);
      const [theirs = ''] = await published(1, other);
      const [mine = ''] = await published(1);
      await poll({ ack: [theirs, 'nobody-knows', mine], setErrs: { [theirs]: errOf('jwtIss'), unknown: errOf('x') } });
      assert.deepEqual([await stateOf(theirs), await stateOf(mine)], ['awaiting', 'acknowledged']);
      assert.deepEqual((await bank.notification(theirs))['errors'] ?? [], []);
      assert.deepEqual(Object.keys((await other.poll()).sets), [theirs]);
    });

    test('what is no jti of ours is ignored in ack and setErrs, of any length, and takes nothing with it', async () => {
      await subscribe(tpp);
      const [acknowledged = '', wrong = ''] = await published(2);
      const strange = ['', 'x'.repeat(129), '\u{1f3e6}'.repeat(10_000), 'a\nb', '__proto__', ' '];
      const setErrs = Object.fromEntries([...strange, wrong].map((jti) => [jti, errOf('jwtIss')]));
      await poll({ ack: [...strange, acknowledged], setErrs, maxEvents: 0 });
      assert.deepEqual([await stateOf(acknowledged), await stateOf(wrong)], ['acknowledged', 'awaiting']);
      assert.equal(((await bank.notification(wrong))['errors'] as unknown[]).length, 1);
    });

    test('as many acknowledgements and reports as the OpenAPI document promises fit into one poll', async () => {
      await subscribe(tpp);
      const { body: document } = await bank.operate('GET', '/operator/v1/openapi/tpp-facing.json');
      const { ack: acks, setErrs: reports } = (document as unknown as PollingDocument).components.schemas
        .OBEventPolling1.properties;
      const [jti = '', wrong = ''] = await published(2);
      const err = { err: 'e'.repeat(40), description: 'd'.repeat(256) };
      const unknown = (count: number) => Array.from({ length: count }, (): string => randomUUID());
      const body = {
        ack: [...unknown(acks.maxItems - 1), jti],
        setErrs: Object.fromEntries([...unknown(reports.maxProperties - 1), wrong].map((each) => [each, err])),
      };
      await poll({ ...body, maxEvents: 0 });
      assert.deepEqual([await stateOf(jti), await stateOf(wrong)], ['acknowledged', 'awaiting']);
    });

    test('a jti in setErrs stays awaiting, is recorded, and is offered again [6 set-errs-awaiting]', async () => {
      await subscribe(tpp);
      const [jti = ''] = await published(1);
      await poll();
      assert.deepEqual((await poll({ setErrs: { [jti]: errOf('invalid_issuer') } })).jtis, []);
      assert.equal(await stateOf(jti), 'awaiting');
      const [{ err, description }] = (await bank.notification(jti))['errors'] as [Record<string, unknown>];
      assert.deepEqual([err, description], ['invalid_issuer', 'said by the test']);
      bank.clock.aheadMs += AFTER_ERROR_MS;
      assert.deepEqual((await poll()).jtis, [jti]);
    });

    for (const err of ['jwtIss', 'jwtCrypto', 'invalid_issuer', 'authentication_failed', 'own.code', 'x'.repeat(40)]) {
      test(`the code ${err} is accepted in setErrs [6 set-errs-codes]`, async () => {
        await subscribe(tpp);
        const [jti = ''] = await published(1);
        await poll({ setErrs: { [jti]: errOf(err) } });
        assert.equal(((await bank.notification(jti))['errors'] as { err: string }[])[0]?.err, err);
      });
    }

    test('ack and setErrs of the same jti: the acknowledgement wins [6 ack-wins]', async () => {
      await subscribe(tpp);
      const [jti = ''] = await published(1);
      await poll({ ack: [jti], setErrs: { [jti]: errOf('jwtIss') } });
      assert.equal(await stateOf(jti), 'acknowledged');
      bank.clock.aheadMs += AFTER_ERROR_MS;
      assert.deepEqual((await poll()).jtis, []);
    });

    test('what was offered and not acknowledged is offered again after the re-offer interval [6 reoffer]', async () => {
      await subscribe(tpp);
      const jtis = await published(2);
      const first = await poll();
      assert.deepEqual(first.jtis, jtis);
      bank.clock.aheadMs += REOFFER_MS - 10_000;
      assert.deepEqual((await poll()).jtis, []);
      bank.clock.aheadMs += 10_000;
      assert.deepEqual((await poll()).sets, first.sets, 'the same bytes');
    });

    test('a caller without an event subscription is 403 [6 needs-registration]', async () => {
      assert.deepEqual(errorOf(await idle.call('POST', version, 'events', { body: '{}' })), { status: 403 });
    });

    for (const scope of ['accounts', 'payments', 'fundsconfirmations']) {
      test(`the scope ${scope} is enough [6 any-scope]`, async () => {
        await subscribe(tpp);
        assert.equal((await tpp.call('POST', version, 'events', { body: '{}', scope })).status, 200);
      });
    }

    for (const [body, v40, v31, path] of [
      ['', 'U010', 'Resource.InvalidFormat', undefined],
      ['[]', 'U010', 'Resource.InvalidFormat', undefined],
      ['{"other":1}', 'U010', 'Resource.InvalidFormat', 'other'],
      ['{"maxEvents":-1}', 'U002', 'Field.Invalid', 'maxEvents'],
      ['{"maxEvents":1.5}', 'U002', 'Field.Invalid', 'maxEvents'],
      ['{"maxEvents":"1"}', 'U002', 'Field.Invalid', 'maxEvents'],
      ['{"returnImmediately":"true"}', 'U002', 'Field.Invalid', 'returnImmediately'],
      ['{"ack":"x"}', 'U002', 'Field.Invalid', 'ack'],
      ['{"ack":[1]}', 'U002', 'Field.Invalid', 'ack[0]'],
      [JSON.stringify({ ack: Array.from({ length: 10_001 }, () => 'x') }), 'U002', 'Field.Invalid', 'ack'],
      ['{"setErrs":{"x":{"err":"e"}}}', 'U004', 'Field.Missing', 'setErrs.x.description'],
      [`{"setErrs":{"x":{"err":"${'e'.repeat(41)}","description":"d"}}}`, 'U002', 'Field.Invalid', 'setErrs.x.err'],
      [
        `{"setErrs":{"x":{"err":"e","description":"${'d'.repeat(257)}"}}}`,
        'U002',
        'Field.Invalid',
        'setErrs.x.description',
      ],
    ] as const) {
      test(`the body ${body.slice(0, 40)} is 400, and nothing is offered [6 request-shape]`, async () => {
        await subscribe(tpp);
        const jtis = await published(1);
        const code = version === 'v4.0' ? v40 : `UK.OBIE.${v31}`;
        const refused = errorOf(await tpp.call('POST', version, 'events', { body }));
        assert.deepEqual(refused, { status: 400, code, ...(path !== undefined && { path }) });
        assert.deepEqual((await poll()).jtis, jtis);
      });
    }
  });
}

describe('polling and the version of the registration', () => {
  test('the scope eventpolling is enough to poll on v3.1, and for nothing else [6 eventpolling-scope]', async () => {
    await subscribe(tpp);
    // The sandbox's authorisation server has no such scope: this is its token, signed with its key, but for that.
    const { thumbprint } = tpp.transport;
    const of = {
      issuer: bank.tokenIssuer,
      audience: AUDIENCE,
      clientId: 'tpp-a',
      thumbprint,
      nowMs: bank.clock.nowMs(),
    };
    const token = accessTokenOf(bank.tokenKey, of, { scope: 'eventpolling' });
    const polledThrough = async (version: Version) =>
      (await tpp.call('POST', version, 'events', { body: '{}', token })).status;
    assert.deepEqual([await polledThrough('v3.1'), await polledThrough('v4.0')], [200, 403]);
    assert.equal((await tpp.call('GET', 'v3.1', 'event-subscriptions', { token })).status, 403);
  });

  test('a token of another grant than client credentials is refused [6 client-credentials-only]', async () => {
    await subscribe(tpp);
    const { thumbprint } = tpp.transport;
    const of = {
      issuer: bank.tokenIssuer,
      audience: AUDIENCE,
      clientId: 'tpp-a',
      thumbprint,
      nowMs: bank.clock.nowMs(),
    };
    const token = accessTokenOf(bank.tokenKey, of, { sub: 'a-customer' });
    for (const version of VERSIONS) {
      assert.equal((await tpp.call('POST', version, 'events', { body: '{}', token })).status, 401);
    }
  });

  test('a registration of either version can be polled for through both [6 poll-either-version]', async () => {
    for (const made of VERSIONS) {
      const id = await subscribe(tpp, made);
      for (const version of VERSIONS)
        assert.equal((await tpp.call('POST', version, 'events', { body: '{}' })).status, 200);
      await tpp.remove('v4.0', 'event-subscriptions', id);
    }
  });
});

describe('polling and real time', () => {
  test('a poll gives the very bytes that real time sends [6 same-bytes]', async () => {
    const receiver = await startReceiver(bank, 500);
    const CallbackUrl = `${receiver.origin}/v4.0/event-notifications`;
    await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl, Version: '4.0' });
    const jti = (await bank.publish('tpp-a')) ?? '';
    await receiver.untilReceived(1);
    assert.equal((await tpp.poll()).sets[jti], receiver.received[0]?.body);
    await receiver.close();
  });

  test('what a 202 acknowledged is not offered in a poll [6 push-ack-not-offered]', async () => {
    const receiver = await startReceiver(bank, 202);
    const CallbackUrl = `${receiver.origin}/v4.0/event-notifications`;
    await tpp.create('v4.0', 'event-subscriptions', { CallbackUrl, Version: '4.0' });
    const jti = (await bank.publish('tpp-a')) ?? '';
    await until(async () => (await stateOf(jti)) === 'acknowledged', 'the 202 is recorded');
    assert.deepEqual((await tpp.poll()).sets, {});
    await receiver.close();
  });

  test('what a poll acknowledged is not sent any more [6 poll-ack-not-sent]', async () => {
    await subscribe(tpp);
    const jti = (await bank.publish('tpp-a')) ?? '';
    await tpp.poll({ ack: [jti] });
    const receiver = await startReceiver(bank, 202);
    const CallbackUrl = `${receiver.origin}/v4.0/event-notifications`;
    const [{ EventSubscriptionId: id }] = (await tpp.list('v4.0', 'event-subscriptions')) as [Record<string, unknown>];
    await tpp.put('v4.0', 'event-subscriptions', String(id), { CallbackUrl, Version: '4.0' });
    const next = (await bank.publish('tpp-a')) ?? '';
    await receiver.untilReceived(1);
    assert.deepEqual(
      receiver.received.map(({ body }) => claimsOf(body)['jti']),
      [next],
    );
    await receiver.close();
  });
});

describe('where no acknowledgement is expected', () => {
  test('each SET is offered once; reported as an error, it is offered again [6 no-ack-expected]', async () => {
    const polling = { isAcknowledgementExpected: false, reofferAfterErrorMs: 1000 };
    await withBank({ settings: { polling } }, async (party, at) => {
      await subscribe(party);
      const [first = '', second = ''] = await published(2, party, at);
      assert.deepEqual(Object.keys((await party.poll()).sets), [first, second]);
      at.clock.aheadMs += 10 * REOFFER_MS;
      assert.deepEqual((await party.poll()).sets, {});
      await party.poll({ ack: [second], setErrs: { [first]: errOf('jwtHdr') } });
      // An acknowledgement is final, also of what being offered had acknowledged.
      await party.poll({ setErrs: { [second]: errOf('jwtHdr') } });
      at.clock.aheadMs += REOFFER_MS;
      assert.deepEqual(Object.keys((await party.poll()).sets), [first]);
    });
  });
});

describe('large answers', () => {
  test('a thousand SETs at once are all there, and moreAvailable is exact when all are offered again [6 more-available-reoffered]', async () => {
    await withBank({ settings: { polling: { maxEventsMax: 1000 } } }, async (party, at) => {
      await subscribe(party);
      const ids = Array.from({ length: 501 }, () => 'tpp-a');
      const jtis = [...(await at.publishAll(ids)), ...(await at.publishAll(ids))];
      const first = await party.poll({ maxEvents: 1000 });
      assert.deepEqual([Object.keys(first.sets), first.moreAvailable], [jtis.slice(0, 1000), true]);
      await party.poll();
      at.clock.aheadMs += REOFFER_MS;
      const again = await party.poll({ maxEvents: 1000 });
      assert.deepEqual([Object.keys(again.sets).length, again.moreAvailable], [1000, true]);
      assert.equal((await party.poll()).moreAvailable, false);
    });
  });
});
