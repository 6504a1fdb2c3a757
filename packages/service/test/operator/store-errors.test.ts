import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { parseConfig } from '../../src/config/load.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { MINIMAL } from '../config/settings.ts';
import { CONNECTIONS } from '../support/connections.ts';

// A store that is full, locked or away.

// SHA-256 of "token".
const TOKENS = [
  { name: 'alice', sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0', role: 'administrator' },
] as const;

/** An operator API whose store refuses all, or all but counting. */
function apiOn(isCounting: boolean, isLasting = false) {
  const refuse = () =>
    Promise.reject(new StoreError('database or disk is full: SELECT secret FROM sqlite', { isLasting }));
  const counts = () => (isCounting ? Promise.resolve({ awaiting: 0 }) : refuse());
  const store = new Proxy({} as Store, { get: (_store, name) => (name === 'counts' ? counts : refuse) });
  const publishing = { requestsMax: 1, diskFreeBytesMin: 0 };
  return buildOperatorApi({
    ...{ store, catalogue: new EventTypeCatalogue([]), clock: systemClock, log: pino({ level: 'silent' }) },
    ...{ tls: undefined, bodyBytesMax: 100_000, ...CONNECTIONS, publish: refuse, tokens: new OperatorTokens(TOKENS) },
    config: parseConfig({ ...MINIMAL, publishing }, '/'),
  });
}

const uri = 'https://bank.example/p-1';
const EVENT = {
  ...{
    id: 'e-1',
    clientId: 'tpp-1',
    occurredAt: '2025-01-02T03:04:05Z',
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  },
  resource: { id: 'p-1', type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
};
const TPP = { organisationId: 'o', softwareStatementId: 's', jwksUrl: 'https://keys.example/jwks' };

for (const [method, url, payload] of [
  ['POST', '/operator/v1/events', EVENT],
  ['PUT', '/operator/v1/tpps/tpp-1', TPP],
  ['GET', '/operator/v1/tpps', undefined],
  ['GET', '/operator/v1/notifications/x', undefined],
  ['GET', '/operator/v1/notifications/x/evidence', undefined],
  ['POST', '/operator/v1/redeliveries', { clientId: 'tpp-1' }],
  ['POST', '/operator/v1/tpps/tpp-1/callback-url/recover', { how: 'responsive' }],
  ['GET', '/operator/v1/status', undefined],
  ['GET', '/operator/v1/audit', undefined],
] as const) {
  test(`${method} ${url} answers 503 with Retry-After while the store refuses, again and again, and tells no internals`, async () => {
    for (const isCounting of [true, false]) {
      const app = apiOn(isCounting);
      // More often than "publishing.requestsMax": what fails holds no room.
      for (let n = 0; n < 3; n += 1) {
        const headers = { authorization: 'Bearer token' };
        const answer = await app.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
        assert.equal(answer.statusCode, 503, answer.body);
        assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/);
        assert.doesNotMatch(answer.body, /SELECT|sqlite|disk is full/);
      }
      await app.close();
    }
  });
}

test('what the store can never hold is answered 500 without Retry-After, so that no publisher repeats it for ever', async () => {
  const app = apiOn(true, true);
  const headers = { authorization: 'Bearer token' };
  const answer = await app.inject({ method: 'POST', url: '/operator/v1/events', headers, payload: EVENT });
  assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [500, undefined]);
  assert.doesNotMatch(answer.body, /SELECT|sqlite|disk is full/);
  await app.close();
});
