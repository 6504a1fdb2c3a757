import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../src/base/clock.ts';
import { NO_ATTEMPTS } from '../../src/model/attempt-health.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { BoundedLabels, createMetrics, OTHER, observedStore } from '../../src/telemetry/metrics.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

const store = (parts: Partial<Store>) => parts as Store;

describe('metrics of the store', () => {
  test('time every operation, and count those that fail, which fail as before', async () => {
    const seen: [string, boolean][] = [];
    const fault = new StoreError('full');
    const observed = observedStore(
      store({ counts: async () => ({ awaiting: 1 }), close: () => Promise.reject(fault) }),
      systemClock,
      (operation, durationMs, hasFailed) => {
        assert.ok(durationMs >= 0);
        seen.push([operation, hasFailed]);
      },
    );
    assert.deepEqual(await observed.counts(), { awaiting: 1 });
    await assert.rejects(observed.close(), fault);
    assert.deepEqual(seen, [
      ['counts', false],
      ['close', true],
    ]);
  });

  test('leave out what a store does not tell, and say that it is away; a store that hangs is not waited for', async () => {
    const clock = new FakeClock();
    const metrics = createMetrics({ clock, tppsMax: 1 });
    let counts = () => Promise.resolve({ awaiting: 7 });
    let problem: string | undefined = 'it has not the private key';
    const connections = () => ({ open: 3, idle: 1, waiting: 4 });
    metrics.readFrom({
      store: {
        ...{ counts: () => counts(), oldestAwaitingAtMs: async () => START_MS - 5000, connections },
        deliveryStates: async () => ({ healthy: 5, failing: 1, unresponsive: 2, suspended: 0, 'polling-only': 3 }),
        troubledTargets: async () => [
          {
            ...{ clientId: 'tpp-a', callbackUrl: 'https://a.example/', retry: undefined, ...NO_ATTEMPTS, failures: 7 },
            ...{ unresponsiveSinceMs: undefined, probeAtMs: undefined, probes: 0, recoveredAtMs: undefined },
            ...{ claimedSinceRecovery: 0, failingSinceMs: START_MS - 60_000, awaiting: 12 },
            ...{ oldestAwaitingAtMs: START_MS - 5000, dueAtMs: START_MS },
          },
        ],
        oldestAwaiting: async () => new Map([['tpp-a', START_MS - 5000]]),
        unsentAlertMessages: async () =>
          new Map([
            ['on-call', 3],
            ['removed', 9],
          ]),
      },
      alertDestinations: () => [{ name: 'on-call' }, { name: 'channel' }],
      canSign: () => false,
      expiriesMs: () => new Map([['api.tls.certificateFile', START_MS]]),
      config: { publishing: { awaitingMax: 100, diskFreeBytesMin: 1000 }, store: {} },
      longPollsHeld: () => 6,
      signingKeyProblem: () => problem,
      intake: () => ({
        ...{ source: 'kafka', topic: 'consents', group: 'tidings', state: 'waiting', because: 'the store is away' },
        ...{ lag: 8, takenAtMs: undefined },
      }),
    });
    const text = await metrics.text();
    for (const line of [
      'tidings_store_up 1',
      'tidings_notifications_awaiting 7',
      'tidings_tpps{state="unresponsive"} 2',
      'tidings_tpps{state="polling-only"} 3',
      'tidings_tpp_failing_seconds{client_id="tpp-a",state="failing"} 60',
      'tidings_tpp_failures{client_id="tpp-a",state="failing"} 7',
      'tidings_tpp_awaiting{client_id="tpp-a",state="failing"} 12',
      'tidings_tpp_oldest_awaiting_age_seconds{client_id="tpp-a"} 5',
      'tidings_oldest_awaiting_age_seconds 5',
      'tidings_long_polls_waiting 6',
      'tidings_intake_up{source="kafka"} 0',
      'tidings_intake_lag_records{source="kafka"} 8',
      'tidings_signing_key_problem 1',
      'tidings_can_sign 0',
      `tidings_certificate_expiry_timestamp_seconds{setting="api.tls.certificateFile"} ${START_MS / 1000}`,
      'tidings_notifications_awaiting_max 100',
      'tidings_store_disk_free_bytes_min 1000',
      'tidings_alert_messages_unsent{destination="on-call"} 3',
      'tidings_alert_messages_unsent{destination="channel"} 0',
      'tidings_store_connections{state="waiting"} 4',
    ]) {
      assert.ok(text.includes(`\n${line}\n`), line);
    }
    assert.ok(!text.includes('destination="removed"'));
    problem = undefined;
    counts = () => new Promise(() => undefined);
    const hanging = metrics.text();
    await clock.advance(2000);
    const away = await hanging;
    assert.match(away, /\ntidings_store_up 0\n/);
    assert.match(away, /\ntidings_signing_key_problem 0\n/);
    assert.doesNotMatch(away, /\ntidings_notifications_awaiting \d/);
  });
});

test('a label keeps so many values, the first ones, and one more for all others', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.integer({ min: 0, max: 5 }), (values, max) => {
      const labels = new BoundedLabels(max);
      const first = [...new Set(values)].slice(0, max);
      for (const value of values) assert.equal(labels.labelOf(value), first.includes(value) ? value : OTHER);
    }),
  );
});
