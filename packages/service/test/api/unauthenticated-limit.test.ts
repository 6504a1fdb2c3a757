import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '@tidings/protocol';
import { RateLimited } from '../../src/api/respond.ts';
import { UnauthenticatedLimit } from '../../src/api/unauthenticated-limit.ts';
import { heldClock } from '../support/trust-clock.ts';

const NETWORK = '192.0.2.1';

function limited(perCertificateMax: number, perAddressMax: number) {
  const clock = heldClock();
  const limit = new UnauthenticatedLimit({ perCertificateMax, perAddressMax }, clock);
  let verified = 0;
  const attempt = async (
    thumbprint: string | undefined,
    outcome: Error | undefined,
    network: string | null = NETWORK,
  ) => {
    const work = async () => {
      verified += 1;
      if (outcome !== undefined) throw outcome;
    };
    try {
      await limit.attempt({ thumbprint, network: network ?? undefined }, work);
      return 'authenticated';
    } catch (error) {
      if (error instanceof RateLimited) return 'limited';
      assert.equal(error, outcome);
      return 'refused';
    }
  };
  return { attempt, clock, verified: () => verified };
}

const BAD_TOKEN = new ApiError('TokenInvalid', { message: 'the token is not active' });
const NOT_REGISTERED = new ApiError('Forbidden', { message: 'the client_id is not registered here' });
const UNAVAILABLE = new ApiError('UnexpectedError', { message: 'try again later' });

for (const [what, outcome] of [
  ['a token that is not good', BAD_TOKEN],
  ['a client that is not registered', NOT_REGISTERED],
] as const) {
  test(`past its limit a certificate with ${what} is refused before anything is verified, until time has passed`, async () => {
    const { attempt, clock, verified } = limited(3, 100);
    for (let at = 0; at < 3; at += 1) assert.equal(await attempt('one', outcome), 'refused');
    for (let at = 0; at < 10; at += 1) assert.equal(await attempt('one', outcome), 'limited');
    assert.equal(verified(), 3);
    assert.equal(await attempt('two', outcome), 'refused', 'another certificate has its own');
    clock.advance(20_000);
    assert.equal(await attempt('one', outcome), 'refused');
  });
}

test('attempts at the same time are counted before the first of them is decided', async () => {
  const { attempt, verified } = limited(3, 100);
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => attempt('one', BAD_TOKEN)));
  assert.equal(outcomes.filter((outcome) => outcome === 'limited').length, 7);
  assert.equal(verified(), 3);
});

test('what comes to a TPP, or fails without a fault of the caller, is not counted', async () => {
  const { attempt } = limited(3, 3);
  for (let at = 0; at < 20; at += 1) {
    assert.equal(await attempt('one', undefined), 'authenticated');
    assert.equal(await attempt('two', UNAVAILABLE), 'refused');
    assert.equal(await attempt(undefined, new RateLimited(1)), 'limited');
  }
});

test('past its limit an address is refused whatever the certificates, but for those that came to a TPP before', async () => {
  const { attempt } = limited(100, 3);
  assert.equal(await attempt('known', undefined), 'authenticated');
  for (let at = 0; at < 3; at += 1) assert.equal(await attempt(`stranger-${at}`, BAD_TOKEN), 'refused');
  assert.equal(await attempt('stranger-4', BAD_TOKEN), 'limited');
  assert.equal(await attempt(undefined, BAD_TOKEN), 'limited', 'without a certificate too');
  assert.equal(await attempt('known', undefined), 'authenticated');
  assert.equal(await attempt('stranger-4', BAD_TOKEN, '192.0.2.2'), 'refused', 'another address has its own');
  assert.equal(await attempt('stranger-4', BAD_TOKEN, null), 'refused', 'a gateway has none');
});

test('an attempt that one limit refuses costs nothing of the other', async () => {
  const { attempt } = limited(1, 3);
  assert.equal(await attempt('one', BAD_TOKEN), 'refused');
  for (let at = 0; at < 10; at += 1) assert.equal(await attempt('one', BAD_TOKEN), 'limited');
  assert.equal(await attempt('two', BAD_TOKEN), 'refused');
  assert.equal(await attempt('three', BAD_TOKEN), 'refused');
  assert.equal(await attempt('four', BAD_TOKEN), 'limited');
  assert.equal(await attempt('four', BAD_TOKEN, '192.0.2.2'), 'refused', 'its certificate was not charged');
});
