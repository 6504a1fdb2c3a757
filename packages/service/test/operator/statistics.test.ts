import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { pino } from 'pino';
import { Compile } from 'typebox/compile';
import type { CountName } from '../../src/model/activity.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { StatisticsAnswer } from '../../src/operator/statistics.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { Statistics } from '../../src/telemetry/statistics.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

// SHA-256 of "token".
const TOKENS = [
  { name: 'alice', sha256: '3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0', role: 'administrator' },
] as const;

/** Where the answer has each count; one that is missing here does not compile. */
const PLACES = {
  accepted: 'accepted',
  repeated: 'repeated',
  'none-unknown-client': 'withoutNotification.unknown-client',
  'none-no-registration': 'withoutNotification.no-registration',
  'none-type-filtered': 'withoutNotification.type-filtered',
  'none-version-below-minimum': 'withoutNotification.version-below-minimum',
  'attempts-acknowledged': 'attempts.acknowledged',
  'attempts-refused-410': 'attempts.refused-410',
  'attempts-refused-429': 'attempts.refused-429',
  'attempts-refused-4xx': 'attempts.refused-4xx',
  'attempts-refused-5xx': 'attempts.refused-5xx',
  'attempts-refused-other': 'attempts.refused-other',
  'attempts-unreachable-forbidden-address': 'attempts.unreachable-forbidden-address',
  'attempts-unreachable-dns': 'attempts.unreachable-dns',
  'attempts-unreachable-connect': 'attempts.unreachable-connect',
  'attempts-unreachable-tls': 'attempts.unreachable-tls',
  'attempts-unreachable-timeout': 'attempts.unreachable-timeout',
  'attempts-unreachable-reset': 'attempts.unreachable-reset',
  'attempts-unreachable-malformed': 'attempts.unreachable-malformed',
  'attempts-unreachable-oversized': 'attempts.unreachable-oversized',
  'acknowledged-push': 'acknowledged.push',
  'acknowledged-poll': 'acknowledged.poll',
  'acknowledged-offer': 'acknowledged.offer',
  'reported-errors': 'reportedErrors',
  'became-unresponsive': 'becameUnresponsive',
  recovered: 'recovered',
} as const satisfies Record<CountName, string>;

test('the statistics tell every count there is, in its place, and nothing that the document does not', async (t) => {
  // Each another one, so that none can be told for another.
  const counts = Object.fromEntries(Object.keys(PLACES).map((name, at) => [name, at + 1]));
  const store = openSqliteStore({ file: ':memory:' });
  const clock = new FakeClock();
  await store.putStatistics([
    {
      resolution: 'hour',
      beganAtMs: START_MS,
      clientId: undefined,
      part: 'one',
      tally: { counts, latency: { 10: 1 } },
    },
  ]);
  const log = pino({ level: 'silent' });
  const statistics = new Statistics({ store, clock, instance: 'one', writeMs: 5000, log });
  const app = buildOperatorApi({
    ...{ store, catalogue: new EventTypeCatalogue([]), clock, log, tokens: new OperatorTokens(TOKENS) },
    ...{ tls: undefined, bodyBytesMax: 100_000, ...CONNECTIONS, publish: () => assert.fail('nothing is published') },
    telemetry: { statistics, stream: undefined },
  });
  t.after(async () => {
    await app.close();
    await store.close();
  });
  const from = new Date(START_MS).toISOString();
  const url = `/operator/v1/statistics?from=${from}`;
  const { body } = await app.inject({ method: 'GET', url, headers: { authorization: 'Bearer token' } });
  const answer = JSON.parse(body);
  const validator = Compile(StatisticsAnswer);
  assert.ok(validator.Check(answer), JSON.stringify(validator.Errors(answer)));
  const { buckets, totals } = answer;
  assert.equal(buckets.length, 1);
  const expected = new Map(Object.entries(PLACES).map(([name, place]) => [place, counts[name]]));
  for (const { latencyMs, ...told } of [totals, ...buckets]) {
    assert.deepEqual(numbersOf(told), expected);
    assert.ok(latencyMs !== undefined);
  }
});

/** The numbers in an object, and in the objects in it, by their place. */
function numbersOf(object: object): Map<string, number> {
  const found = Object.entries<unknown>({ ...object }).flatMap(([name, value]): [string, number][] => {
    if (typeof value === 'number') return [[name, value]];
    if (typeof value !== 'object' || value === null) return [];
    return [...numbersOf(value)].map(([inner, number]) => [`${name}.${inner}`, number]);
  });
  return new Map(found);
}
