import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner, EventTypeCatalogue, signSet } from '@tidings/protocol';
import { makeSigningKey } from '@tidings/testing';
import { pino } from 'pino';
import { verifyEvidence } from '../../src/cli/evidence/verify.ts';
import type { Attempt } from '../../src/model/attempt.ts';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { ACKNOWLEDGED, attemptAt, claimOne, LEASE_MS, publish, REFUSED, register, retryAt } from '../store/opened.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

// SHA-256 of "token".
const TOKENS = [
  { name: 'alice', sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0', role: 'administrator' },
] as const;
const key = makeSigningKey('kid-1');

/** One that was sent by two instances: the first was so slow that its lease ran out, and is recorded last. */
async function overlapping() {
  const store = openSqliteStore({ file: ':memory:' });
  await register(store, ['a']);
  await store.useSigningKey(key.jwk, START_MS);
  const [jti = ''] = await publish(store, 'a', ['e1']);
  const slow = await claimOne(store);
  const signer = await createSigner({ kid: 'kid-1', iss: 'org-bank', tan: 'openbanking.org.uk' }, key.keyPem);
  const claims = { ...slow.claims, iat: START_MS / 1000 };
  await store.keepSets([{ jti, set: await signSet(claims, signer, START_MS / 1000) }]);
  const prompt = await claimOne(store, LEASE_MS);
  const began = (claimed: ClaimedNotification, change: Partial<Attempt>) => ({
    ...attemptAt(claimed, REFUSED),
    ...change,
  });
  const later = (interactionId: string) => began(prompt, { startedAtMs: START_MS + LEASE_MS, interactionId });
  const first = began(slow, {
    ...{ startedAtMs: START_MS + 10, durationMs: LEASE_MS + 5000, interactionId: 'slow', outcome: ACKNOWLEDGED },
  });
  const next = retryAt(LEASE_MS * 10);
  await store.recordAttempts(
    [
      { claimed: prompt, attempt: later('prompt-2'), next },
      { claimed: prompt, attempt: later('prompt-1'), next },
      { claimed: slow, attempt: first, next: { kind: 'acknowledged' } },
    ],
    START_MS + LEASE_MS + 6000,
  );
  return { store, jti };
}

test('evidence of attempts that overlapped has them in the order in which they began, and verifies', async (t) => {
  const { store, jti } = await overlapping();
  const clock = new FakeClock();
  await clock.advance(LEASE_MS + 7000);
  const app = buildOperatorApi({
    ...{
      store,
      catalogue: new EventTypeCatalogue([]),
      clock,
      log: pino({ level: 'silent' }),
      tokens: new OperatorTokens(TOKENS),
    },
    ...{ tls: undefined, bodyBytesMax: 100_000, ...CONNECTIONS, publish: () => assert.fail('nothing is published') },
  });
  t.after(async () => {
    await app.close();
    await store.close();
  });
  const url = `/operator/v1/notifications/${jti}/evidence`;
  const { body } = await app.inject({ method: 'GET', url, headers: { authorization: 'Bearer token' } });
  const attempts: { interactionId: string }[] = JSON.parse(body).attempts;
  assert.deepEqual(
    attempts.map(({ interactionId }) => interactionId),
    ['slow', 'prompt-2', 'prompt-1'],
    'those that began at once as they were recorded',
  );
  const checks = await verifyEvidence(body, JSON.stringify({ keys: [key.jwk] }), clock.nowMs());
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome !== 'passed'),
    [],
  );
});
