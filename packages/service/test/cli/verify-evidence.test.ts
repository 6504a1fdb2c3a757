import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { createSigner, signSet } from '@tidings/protocol';
import { makeSigningKey, type SigningKey } from '@tidings/testing';
import fc from 'fast-check';
import { CliError } from '../../src/cli/cli-error.ts';
import { verifyEvidence } from '../../src/cli/evidence/verify.ts';
import type { Evidence } from '../../src/operator/evidence.ts';
import { bankEvent, ISSUER, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';

const key = makeSigningKey('kid-1');
const other = makeSigningKey('kid-2');
const JWKS = JSON.stringify({ keys: [other.jwk, key.jwk] });
const NOW_MS = START_MS + 3_600_000;
const at = (afterMs: number) => new Date(START_MS + afterMs).toISOString();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const CALLBACK_URL = 'https://tpp-a.example/v4.0/event-notifications';
const CLAIMS = claimsOfEvent();
const SET = await signedBy(key);

function claimsOfEvent() {
  const event = bankEvent('tpp-a', 'event-1');
  const fanOut = notifyAll(event, tppOf('tpp-a'), storedSubscription());
  assert.ok(fanOut.kind === 'notification');
  return { ...fanOut.claims, iat: START_MS / 1000 };
}

function storedSubscription() {
  return { ...subscriptionOf('tpp-a'), unresponsiveSinceMs: undefined };
}

async function signedBy({ keyPem }: SigningKey, kid = 'kid-1', claims: object = CLAIMS): Promise<string> {
  const signer = await createSigner({ kid, iss: 'org-bank', tan: 'openbanking.org.uk' }, keyPem);
  return signSet({ ...CLAIMS, ...claims }, signer, START_MS / 1000);
}

/** Of a notification that was refused once and then acknowledged. */
const GENUINE: Evidence & { readonly set: string } = {
  ...{ format: 'tidings-evidence', version: 1, exportedAt: at(60_000) },
  ...{ jti: CLAIMS.jti, eventId: 'event-1', clientId: 'tpp-a', issuer: ISSUER },
  ...{ organisationId: 'org-bank', trustAnchor: 'openbanking.org.uk', state: 'acknowledged' },
  ...{ publishedAt: at(0), acknowledgedAt: at(30_050), acknowledgedBy: 'push' },
  ...{ set: SET, setSha256: sha256(SET) },
  attempts: [
    {
      ...{ startedAt: at(20), durationMs: 12, interactionId: 'i-1', callbackUrl: CALLBACK_URL },
      ...{ outcome: 'refused', status: 503, retryAfterMs: 30_000 },
    },
    {
      ...{ startedAt: at(30_000), durationMs: 50, interactionId: 'i-2', callbackUrl: CALLBACK_URL },
      ...{ outcome: 'acknowledged', status: 202, interactionIdEchoed: true, interactionIdReturned: 'i-2' },
    },
  ],
  errors: [],
  signingKey: key.jwk,
};

const verify = (evidence: unknown, jwks = JWKS, nowMs = NOW_MS, copy?: string) =>
  verifyEvidence(typeof evidence === 'string' ? evidence : JSON.stringify(evidence), jwks, nowMs, copy);
const failuresOf = async (evidence: unknown, jwks = JWKS, nowMs = NOW_MS) =>
  (await verify(evidence, jwks, nowMs)).filter(({ outcome }) => outcome === 'failed').map(({ check }) => check);

describe('evidence', () => {
  test('that is genuine passes every check, each with what was looked at', async () => {
    const checks = await verify(GENUINE);
    assert.deepEqual(
      checks.map(({ check, outcome }) => `${check} ${outcome}`),
      ['format', 'hash', 'signature', 'key', 'identity', 'times', 'attempts', 'acknowledgement'].map(
        (check) => `${check} passed`,
      ),
    );
    const said = checks.at(-1)?.detail;
    assert.equal(said, `${at(30_050)}, by 202 from ${CALLBACK_URL}, interaction id returned: i-2`);
  });

  test('whose content was erased is verified with a copy of the SET, and with no other SET', async () => {
    const { set, ...others } = GENUINE;
    const erased = { ...others, erasedAt: at(59_000) };
    const outcomesOf = async (copy?: string) =>
      (await verify(erased, JWKS, NOW_MS, copy)).map(({ check, outcome }) => `${check} ${outcome}`);
    assert.deepEqual(await outcomesOf(), [
      ...['format passed', 'hash none', 'signature none', 'key passed', 'times passed'],
      ...['attempts passed', 'acknowledgement passed'],
    ]);
    assert.deepEqual(
      await outcomesOf(set),
      (await verify(GENUINE)).map(({ check }) => `${check} passed`),
    );
    const another = await outcomesOf(await signedBy(key, 'kid-1', { txn: 'another' }));
    assert.deepEqual(
      another.filter((each) => each.endsWith('failed')),
      ['hash failed'],
    );
    assert.deepEqual(await failuresOf(others), ['format'], 'a SET is missing only where it was erased');
    assert.deepEqual(await failuresOf({ ...erased, set }), ['format']);
  });

  test('of which any byte of what is signed or hashed was changed is found out', async () => {
    const fields = ['set', 'setSha256', 'jti', 'clientId', 'issuer', 'organisationId', 'trustAnchor'] as const;
    const change = fc.record({
      field: fc.constantFrom(...fields),
      place: fc.nat(),
      to: fc.string({ minLength: 1, maxLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ field, place, to }) => {
        const before = GENUINE[field];
        const index = place % before.length;
        const after = `${before.slice(0, index)}${to}${before.slice(index + 1)}`;
        fc.pre(after !== before);
        assert.notDeepEqual(await failuresOf({ ...GENUINE, [field]: after }), []);
        // With a recomputed hash the signature still shows the change.
        if (field === 'set') {
          const failures = await failuresOf({ ...GENUINE, set: after, setSha256: sha256(after) });
          assert.ok(failures.includes('signature') || failures.includes('format'), failures.join());
        }
      }),
      { numRuns: 300 },
    );
  });

  test('whose file lost or gained anything anywhere in what is signed is found out, or is no evidence any more', async () => {
    const text = JSON.stringify(GENUINE);
    const from = text.indexOf('"set":') + 7;
    await fc.assert(
      fc.asyncProperty(fc.nat(SET.length - 1), fc.boolean(), async (place, isCut) => {
        const cut = from + place;
        const changed = isCut ? text.slice(0, cut) + text.slice(cut + 1) : `${text.slice(0, cut)}A${text.slice(cut)}`;
        assert.notDeepEqual(await failuresOf(changed), []);
      }),
      { numRuns: 100 },
    );
  });

  test('that was signed by another key is found out, whatever key it brings along', async () => {
    const forged = await signedBy(other);
    const evidence = { ...GENUINE, set: forged, setSha256: sha256(forged) };
    assert.deepEqual(await failuresOf(evidence), ['signature']);
    const bringing = { ...evidence, signingKey: { ...other.jwk, kid: 'kid-1' } };
    assert.deepEqual(await failuresOf(bringing), ['signature', 'key']);
    assert.deepEqual(await failuresOf(GENUINE, JSON.stringify({ keys: [other.jwk] })), ['signature', 'key']);
  });

  test('that holds another key of the JWKS than the one that signed is found out', async () => {
    assert.deepEqual(await failuresOf({ ...GENUINE, signingKey: other.jwk }), ['identity']);
  });

  test('of another SET of the same bank is found out', async () => {
    const another = await signedBy(key, 'kid-1', { jti: 'another' });
    assert.deepEqual(await failuresOf({ ...GENUINE, set: another, setSha256: sha256(another) }), ['identity']);
    const forAnother = await signedBy(key, 'kid-1', { aud: 'tpp-b' });
    assert.deepEqual(await failuresOf({ ...GENUINE, set: forAnother, setSha256: sha256(forAnother) }), ['signature']);
  });

  test('that lies in the future is refused', async () => {
    assert.deepEqual(await failuresOf(GENUINE, JWKS, START_MS - 120_000), ['signature']);
  });

  const [refused, acknowledged] = GENUINE.attempts;
  for (const [what, changed, failures] of [
    ['a time of publishing that the SET does not say', { publishedAt: at(-1) }, ['times']],
    ['a time of publishing a second later', { publishedAt: at(1000) }, ['times']],
    [
      'an attempt before it was published',
      { attempts: [{ ...refused, startedAt: at(-60_000) }, acknowledged] },
      ['times'],
    ],
    ['attempts in another order', { attempts: [acknowledged, refused] }, ['times']],
    ['an attempt after the export', { exportedAt: at(10_000) }, ['times']],
    [
      'an attempt that ended after the export',
      { attempts: [{ ...refused, durationMs: 70_021 }, acknowledged], exportedAt: at(60_000) },
      ['times'],
    ],
    [
      'an acknowledgement after the export',
      { acknowledgedBy: 'poll', attempts: [], acknowledgedAt: at(70_001), exportedAt: at(60_000) },
      ['times'],
    ],
    ['an export that is still to come', { exportedAt: new Date(NOW_MS + 60_001).toISOString() }, ['times']],
    ['an acknowledgement at another time', { acknowledgedAt: at(45_000) }, ['acknowledgement']],
    ['an acknowledgement before it was published', { acknowledgedAt: at(-60_000) }, ['times', 'acknowledgement']],
    ['an acknowledgement without its attempt', { attempts: [refused] }, ['acknowledgement']],
    [
      'an acknowledgement at the time of a refusal',
      { attempts: [{ ...refused, startedAt: at(30_000) }] },
      ['acknowledgement'],
    ],
    ['an acknowledgement by nothing', { acknowledgedBy: undefined }, ['acknowledgement']],
    ['an acknowledgement at no time', { acknowledgedAt: undefined }, ['acknowledgement']],
    ['an acknowledgement of what is awaiting', { state: 'awaiting' }, ['acknowledgement']],
    ['a 202 that is another status', { attempts: [refused, { ...acknowledged, status: 200 }] }, ['attempts']],
    ['a refusal with 202', { attempts: [{ ...refused, status: 202 }, acknowledged] }, ['attempts']],
    ['an echo that is none', { attempts: [refused, { ...acknowledged, interactionIdReturned: 'i-3' }] }, ['attempts']],
    ['no echo where one is', { attempts: [refused, { ...acknowledged, interactionIdEchoed: false }] }, ['attempts']],
    ['another version', { version: 2 }, ['format']],
    ['another format', { format: 'evidence' }, ['format']],
    ['a member that is none', { verdict: 'guilty' }, ['format']],
    ['no SET', { set: undefined }, ['format']],
  ] as const) {
    test(`with ${what} is found out`, async () => {
      assert.deepEqual(await failuresOf({ ...GENUINE, ...changed }), failures);
    });
  }

  test('whose times differ by as much as clocks may passes', async () => {
    for (const changed of [
      { attempts: [{ ...refused, durationMs: 69_980 }, acknowledged] },
      { acknowledgedBy: 'poll', attempts: [], acknowledgedAt: at(70_000) },
      { exportedAt: new Date(NOW_MS + 60_000).toISOString() },
    ]) {
      assert.deepEqual(await failuresOf({ ...GENUINE, ...changed }), []);
    }
  });

  test('says of which attempt what is wrong', async () => {
    const said = async (changed: object) => {
      const checks = await verify({ ...GENUINE, ...changed });
      return checks.find(({ outcome }) => outcome === 'failed')?.detail;
    };
    const [first, second] = [
      `(startedAt ${at(20)}, interactionId i-1)`,
      `(startedAt ${at(30_000)}, interactionId i-2)`,
    ];
    assert.equal(
      await said({ attempts: [acknowledged, refused] }),
      `attempts[1] ${first} is before attempts[0] ${second}`,
    );
    assert.equal(await said({ exportedAt: at(10_000) }), `exportedAt (${at(10_000)}) is before attempts[1] ${second}`);
    assert.equal(
      await said({ attempts: [{ ...refused, durationMs: 90_000 }, acknowledged] }),
      `exportedAt (${at(60_000)}) is before the end of attempts[0] ${first}`,
    );
    const changed = { ...acknowledged, status: 200 };
    assert.equal(await said({ attempts: [refused, changed] }), `attempts[1] ${second} contradicts itself`);
  });

  for (const [what, text] of [
    ['no JSON', 'evidence'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a member twice', JSON.stringify(GENUINE).replace('{', '{"jti":"x",')],
  ] as const) {
    test(`that is ${what} is none`, async () => {
      assert.deepEqual(await failuresOf(text), ['format']);
    });
  }

  test('of a poll passes, and says that it holds no answer of the TPP', async () => {
    const polled = { ...GENUINE, acknowledgedBy: 'poll', attempts: [] };
    const checks = await verify(polled);
    assert.deepEqual(await failuresOf(polled), []);
    assert.equal(checks.find(({ check }) => check === 'attempts')?.outcome, 'none');
    assert.match(checks.at(-1)?.detail ?? '', /by ack in a poll: the bank's own record, without an answer of the TPP/);
  });

  test('of what is not acknowledged passes, and says that it shows no acknowledgement', async () => {
    const awaiting = { ...GENUINE, state: 'awaiting', acknowledgedAt: undefined, acknowledgedBy: undefined };
    assert.deepEqual(await failuresOf(awaiting), []);
    const last = (await verify(awaiting)).at(-1);
    assert.deepEqual([last?.check, last?.outcome], ['acknowledgement', 'none']);
    assert.match(last?.detail ?? '', /nothing in the file shows that the TPP acknowledged it/);
  });

  test('against what is no JWKS is wrong use', async () => {
    for (const jwks of ['', 'keys', '[]', '{"keys":1}']) {
      await assert.rejects(verify(GENUINE, jwks), (error) => error instanceof CliError && error.exitCode === 2);
    }
  });
});
