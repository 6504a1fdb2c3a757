import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@tidings/testing';
import type { FastifyRequest } from 'fastify';
import { type AccessWatch, OperatorTokens, watchAccess } from '../../src/operator/access.ts';
import { Problem } from '../../src/operator/problem.ts';
import { type HeldClock, heldClock } from '../support/trust-clock.ts';

// What an answer that goes on is watched with: its token, on a clock that the test moves.

interface Watched {
  readonly clock: HeldClock;
  readonly tokens: OperatorTokens;
  /** Why it was ended, each time. */
  readonly ended: string[];
  /** What authentication comes to from now on. */
  outcome: { expiresAtMs?: number } | Error;
  /** How often it was asked. */
  asked: number;
  readonly stop: () => void;
}

const REQUEST = {} as FastifyRequest;

async function watched(expiresInMs?: number): Promise<Watched> {
  const clock = heldClock();
  const tokens = new OperatorTokens([]);
  const ended: string[] = [];
  const of = {
    outcome: expiresInMs === undefined ? {} : { expiresAtMs: clock.nowMs() + expiresInMs },
    asked: 0,
  } as Pick<Watched, 'outcome' | 'asked'>;
  const admit: AccessWatch['admit'] = async () => {
    of.asked += 1;
    if (of.outcome instanceof Error) throw of.outcome;
    return { principal: { name: 'alice', authenticatedBy: 'oidc', roles: ['viewer'], ...of.outcome }, role: 'viewer' };
  };
  const stop = watchAccess(REQUEST, { admit, tokens, clock }, (why) => ended.push(why));
  await until(() => clock.waiting > 0 || ended.length > 0);
  return Object.assign(of, { clock, tokens, ended, stop });
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets the check that asks for this time come to its end. */
async function settled(watch: Watched, asked: number): Promise<void> {
  await until(() => watch.asked === asked);
  await turn();
}

test('an answer ends at the exp of its token, not a millisecond before and at most once', async () => {
  const watch = await watched(10_000);
  watch.clock.advance(9999);
  await turn();
  assert.deepEqual(watch.ended, []);
  watch.clock.advance(1);
  await until(() => watch.ended.length > 0);
  watch.tokens.replace([]);
  watch.clock.advance(60_000);
  await turn();
  assert.deepEqual(watch.ended, ['its token has expired']);
  assert.equal(watch.clock.waiting, 0);
});

test('a token that expires after days is not forgotten meanwhile', async () => {
  const watch = await watched(3 * 86_400_000);
  watch.clock.advance(15_000);
  await settled(watch, 2);
  assert.deepEqual(watch.ended, []);
  watch.clock.advance(3 * 86_400_000);
  await until(() => watch.ended.length > 0);
});

test('a token that has expired already ends the answer at once, although clock skew let it in', async () => {
  assert.deepEqual((await watched(-1)).ended, ['its token has expired']);
});

for (const status of [401, 403]) {
  test(`an answer ends as soon as the tokens are replaced and its own is ${status} now`, async () => {
    const watch = await watched();
    watch.outcome = new Problem(status, 'It is taken away.');
    watch.tokens.replace([]);
    await until(() => watch.ended.length > 0);
    assert.deepEqual(watch.ended, ['It is taken away.']);
  });
}

test('an answer goes on when the tokens are replaced and its own is still there', async () => {
  const watch = await watched();
  watch.tokens.replace([]);
  await settled(watch, 2);
  assert.deepEqual(watch.ended, []);
});

test('a token whose key is gone ends the answer within fifteen seconds', async () => {
  const watch = await watched(3_600_000);
  watch.outcome = new Problem(401, 'kid names no signing key of the issuer.');
  watch.clock.advance(15_000);
  await until(() => watch.ended.length > 0);
});

test('while access cannot be checked an answer goes on, and ends at the next check that refuses it', async () => {
  const watch = await watched();
  watch.outcome = new Problem(503, 'The keys are unavailable.');
  watch.clock.advance(15_000);
  await settled(watch, 2);
  assert.deepEqual(watch.ended, []);
  watch.outcome = new Problem(401, 'no');
  watch.clock.advance(15_000);
  await until(() => watch.ended.length > 0);
});

test('a failure that nobody foresaw ends the answer rather than letting it go on', async () => {
  const watch = await watched();
  watch.outcome = new TypeError('a bug');
  watch.tokens.replace([]);
  await until(() => watch.ended.length > 0);
});

test('a watch that was ended asks no more and calls back no more', async () => {
  const watch = await watched(10_000);
  watch.stop();
  watch.tokens.replace([]);
  watch.clock.advance(60_000);
  await turn();
  assert.deepEqual([watch.ended, watch.asked, watch.clock.waiting], [[], 1, 0]);
});
