import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from '../../src/api/rate-limit.ts';
import { authenticateOperator } from '../../src/operator/access.ts';
import { Problem } from '../../src/operator/problem.ts';
import type { OidcVerifier } from '../../src/trust/oidc-tokens.ts';
import { heldClock } from '../support/trust-clock.ts';

// SHA-256 of "token".
const sha256 = '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0';

test('past the limit of an address its tokens are not verified, but for those of the configuration', async () => {
  let verified = 0;
  const clock = heldClock();
  const oidc: OidcVerifier = {
    rolesClaim: 'roles',
    verify: async (token) => {
      verified += 1;
      if (token === 'good')
        return { kind: 'valid', name: 'bob', roles: ['viewer'], values: [], expiresAtMs: Number.MAX_SAFE_INTEGER };
      return { kind: 'refused', reason: 'it is not signed' };
    },
    rolesOf: () => [],
    useRoles: () => undefined,
    close: async () => undefined,
  };
  const tokens = { accepted: [{ name: 'alice', role: 'administrator', sha256 }] } as const;
  const credentials = { tokens, oidc, limit: new RateLimit(3, clock) };
  const statusOf = async (token: string, network = '192.0.2.1') => {
    try {
      return (await authenticateOperator(`Bearer ${token}`, credentials, network)).name;
    } catch (error) {
      assert.ok(error instanceof Problem);
      assert.equal(error.retryAfterSeconds !== undefined, error.status === 429);
      return error.status;
    }
  };
  for (let at = 0; at < 10; at += 1) assert.equal(await statusOf('good'), 'bob', 'what is good is not counted');
  verified = 0;
  for (let at = 0; at < 3; at += 1) assert.equal(await statusOf(`bad-${at}`), 401);
  for (let at = 0; at < 5; at += 1) assert.equal(await statusOf('bad'), 429);
  assert.equal(verified, 3);
  assert.equal(await statusOf('token'), 'alice');
  assert.equal(await statusOf('good', '192.0.2.2'), 'bob');
  clock.advance(20_000);
  assert.equal(await statusOf('good'), 'bob');
});
