import assert from 'node:assert/strict';
import { StatementSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { errorOf, VERSIONS } from '../support/answers.ts';
import { withBank } from '../support/with-bank.ts';

// A store that is full or away, under the API that runs. That no answer tells of internals is checked of each.

const REGISTRATION = JSON.stringify({ Data: { Version: '3.1' } });
const POLL = JSON.stringify({ returnImmediately: true });
const LONG_POLL = JSON.stringify({ returnImmediately: false, maxEvents: 1 });
const CALLS = [
  ['POST', 'events', POLL],
  ['POST', 'events', LONG_POLL],
  ['GET', 'event-subscriptions', undefined],
  ['POST', 'event-subscriptions', REGISTRATION],
] as const;

const COULD_NOT = /database or disk is full/;

/** Statements fail as they do on a full disk. @param isHit which, by their SQL @returns ends it */
function breakStore(t: TestContext, isHit: (sql: string) => boolean): () => void {
  const mocks = (['get', 'all', 'run', 'iterate'] as const).map((name) => {
    const real: (this: StatementSync, ...given: never[]) => unknown = StatementSync.prototype[name];
    return t.mock.method(StatementSync.prototype, name, function (this: StatementSync, ...given: never[]) {
      if (!isHit(this.sourceSQL)) return real.apply(this, given);
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
    });
  });
  return () => {
    for (const mock of mocks) mock.mock.restore();
  };
}

for (const [name, isHit] of [
  ['refuses all', () => true],
  // Callers are recognised, and what they ask for is not to be had.
  ['knows TPPs, and refuses all else', (sql) => !/FROM tpp\b/.test(sql)],
] satisfies [string, (sql: string) => boolean][]) {
  test(`every answer of the API is an unexpected error while the store ${name}, and all is well after it`, async (t) => {
    await withBank({}, async (tpp, bank) => {
      await tpp.token('accounts');
      await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      const heal = breakStore(t, isHit);
      for (const version of VERSIONS) {
        for (const [method, path, body] of CALLS) {
          const answer = await tpp.call(method, version, path, body === undefined ? {} : { body });
          const code = version === 'v4.0' ? 'U000' : 'UK.OBIE.UnexpectedError';
          assert.deepEqual(errorOf(answer), { status: 500, code }, `${method} ${version} ${path}`);
          assert.doesNotMatch(answer.body.toString(), COULD_NOT);
        }
      }
      heal();
      assert.equal(bank.service.longPollsHeld(), 0);
      assert.match(bank.log(), COULD_NOT, 'the log says why');
      assert.equal((await tpp.list('v4.0', 'event-subscriptions')).length, 1);
      assert.deepEqual(await tpp.poll({ returnImmediately: true }), { sets: {}, moreAvailable: false });
    });
  });
}
