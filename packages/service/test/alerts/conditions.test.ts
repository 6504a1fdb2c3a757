import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Moment, ownConditions, sharedConditions, type TroubledTpp } from '../../src/alerts/conditions.ts';
import { messageOf } from '../../src/alerts/message.ts';
import { buildProgram, commandsOf } from '../../src/cli/index.ts';
import { ALERT_KINDS, type AlertCondition } from '../../src/model/alert.ts';
import type { ConfiguredCertificate } from '../../src/trust/certificates.ts';
import { START_MS } from '../support/fake-clock.ts';

// What is an alert, and what is said about it. Pure functions.

const DAY_MS = 86_400_000;
const MOMENT: Moment = {
  ...{ nowMs: START_MS, failingAfterMs: 300_000, expiryDays: 21, backlogMax: 100, storeShare: 0.8 },
  ...{ diskFreeBytesMin: 1000, heldBefore: new Set() },
};
const FACTS = { troubled: [], awaiting: 0, awaitingMax: 1000, diskFreeBytes: undefined };
const TPP: TroubledTpp = {
  ...{ clientId: 'tpp-1', organisationId: 'org', softwareStatementId: 'software', failures: 1, lastError: undefined },
  ...{ failingSinceMs: START_MS, unresponsiveSinceMs: undefined, awaiting: 7, oldestAwaitingAtMs: START_MS },
};

const kindsOf = (conditions: readonly AlertCondition[]) => conditions.map(({ kind }) => kind);

function certificate(setting: string, days: number): ConfiguredCertificate {
  return { setting, subject: 'CN=bank', notAfterMs: START_MS + days * DAY_MS, fingerprint: `${setting} ${days}` };
}

/** Kinds of alerts about certificates that expire after so many days. */
function expiring(...certificates: readonly (readonly [setting: string, days: number])[]) {
  const own = { instance: 'one', signingKeyProblem: undefined };
  const found = certificates.map(([setting, days]) => certificate(setting, days));
  return ownConditions({ ...own, certificates: found, tppCertificates: [], revokedTpps: [] }, MOMENT).map(
    ({ kind, subject }) => `${kind} ${subject}`,
  );
}

describe('a condition', () => {
  test('is a TPP that has been failing for the configured time, or is unresponsive, whichever is worse', () => {
    const at = (afterMs: number, changes: Partial<TroubledTpp> = {}) =>
      kindsOf(
        sharedConditions({ ...FACTS, troubled: [{ ...TPP, ...changes }] }, { ...MOMENT, nowMs: START_MS + afterMs }),
      );
    assert.deepEqual([at(299_999), at(300_000)], [[], ['tpp-failing']]);
    assert.deepEqual(at(0, { unresponsiveSinceMs: START_MS }), ['tpp-unresponsive']);
  });

  test('is a backlog above the limit, until it is well below', () => {
    const withBacklog = (awaiting: number, ...before: string[]) =>
      kindsOf(sharedConditions({ ...FACTS, awaiting }, { ...MOMENT, heldBefore: new Set(before) }));
    assert.deepEqual([withBacklog(100), withBacklog(101)], [[], ['backlog']]);
    assert.deepEqual([withBacklog(91, 'backlog'), withBacklog(90, 'backlog')], [['backlog'], []]);
  });

  test('is a backlog whose largest parts are named', () => {
    const troubled = [5, 50, 20, 30].map((awaiting, at) => {
      return { ...TPP, clientId: `tpp-${at}`, failingSinceMs: undefined, awaiting };
    });
    const [backlog] = sharedConditions({ ...FACTS, awaiting: 500, troubled }, MOMENT);
    assert.deepEqual(backlog?.facts, {
      ...{ awaiting: 500, 'awaiting for tpp-1': 50, 'awaiting for tpp-3': 30, 'awaiting for tpp-2': 20 },
    });
  });

  test('is a store with nearly as much awaiting as it may have, or little room on its disk', () => {
    const full = (awaiting: number, diskFreeBytes: number | undefined, ...before: string[]) =>
      sharedConditions(
        { ...FACTS, awaiting, diskFreeBytes },
        { ...MOMENT, backlogMax: 1e6, heldBefore: new Set(before) },
      );
    assert.deepEqual([kindsOf(full(799, 1000)), kindsOf(full(800, undefined))], [[], ['store-nearly-full']]);
    assert.deepEqual(kindsOf(full(0, 999)), ['store-nearly-full']);
    assert.equal(full(0, 1100, 'store-nearly-full disk').length, 1);
    assert.equal(full(0, 1112, 'store-nearly-full disk').length, 0);
  });

  test('is a certificate of our own from 21 days before it expires until it is replaced, again at 3 days and at the end', () => {
    assert.deepEqual(expiring(['api.tls.certificateFile', 22]), []);
    const alerts = [21, 4, 3, 1, 0, -400].map((days) => expiring(['api.tls.certificateFile', days]));
    assert.deepEqual(
      alerts.map(({ length }) => length),
      [1, 1, 2, 2, 3, 3],
    );
    assert.deepEqual(new Set(alerts.flat()), new Set(['certificate-expires api.tls.certificateFile']));
    assert.deepEqual(expiring(['signing.certificateFile', 4]), ['signing-key-expires signing.certificateFile']);
    assert.deepEqual(expiring(['signing.next.certificateFile', 4]), [
      'signing-key-expires signing.next.certificateFile',
    ]);
  });

  test('is a root that is about to expire, but not one that expired long ago beside a valid one', () => {
    assert.deepEqual(expiring(['delivery.caFile', 3], ['delivery.caFile', 900]).length, 1);
    assert.deepEqual(expiring(['delivery.caFile', -3], ['delivery.caFile', 900]).length, 1);
    assert.deepEqual(expiring(['delivery.caFile', -22], ['delivery.caFile', 900]), []);
    assert.deepEqual(expiring(['delivery.caFile', -400]).length, 1, 'no other is valid');
  });

  test('is a certificate of a TPP that expires, with what it is, until it has been expired for as long as it was warned of', () => {
    const psp = {
      ...{ kind: 'OBWAC' as const, organisationIdentifier: 'PSDGB-FCA-123456', roles: ['PSP_AI'] },
      ...{ authorityId: 'GB-FCA', authorityName: 'Financial Conduct Authority' },
    };
    const expiring = (days: number) => {
      const notAfterMs = START_MS + days * DAY_MS;
      const found = {
        clientId: 'tpp-1',
        use: 'transport' as const,
        subject: 'CN=tpp',
        notAfterMs,
        fingerprint: 'f',
        psp,
      };
      const own = {
        instance: 'one',
        signingKeyProblem: undefined,
        certificates: [],
        tppCertificates: [found],
        revokedTpps: [],
      };
      return ownConditions(own, MOMENT);
    };
    assert.deepEqual(
      [22, 21, 1, 0, -21, -22].map((days) => expiring(days).length),
      [0, 1, 1, 1, 1, 0],
    );
    const [alert] = expiring(5);
    assert.deepEqual([alert?.kind, alert?.subject], ['tpp-certificate-expires', 'tpp-1']);
    assert.match(alert?.why ?? '', /^Its certificate for transport expires in 5 days/);
    assert.equal(alert?.facts['kind'], 'OBWAC of PSDGB-FCA-123456 (PSP_AI)');
  });

  test('is an instance that does not sign with the current key', () => {
    const own = {
      instance: 'host:8444',
      signingKeyProblem: 'k2 is not here',
      certificates: [],
      tppCertificates: [],
      revokedTpps: [],
    };
    const [only, ...others] = ownConditions(own, MOMENT);
    assert.deepEqual(
      [only?.kind, only?.subject, only?.why, others],
      ['cannot-sign', 'host:8444', 'k2 is not here.', []],
    );
  });
});

describe('a message', () => {
  const links = { runbookUrl: 'https://runbooks.example/' };
  const alertOf = (changes: Partial<AlertCondition>) => ({
    ...{ id: '1', key: 'k', kind: 'tpp-failing' as const, subject: 'tpp-1', why: 'w', facts: {} },
    ...changes,
    ...{ sinceMs: START_MS, raisedAtMs: START_MS, seenAtMs: START_MS, clearedAtMs: undefined },
  });

  test('names a command that there is, of every kind', async () => {
    const known = new Map(commandsOf(await buildProgram()).map(({ path, command }) => [path, command]));
    for (const kind of ALERT_KINDS) {
      const { command } = messageOf(alertOf({ kind }), kind, links);
      const words = command.split(' ');
      const path = [3, 2].map((length) => words.slice(0, length).join(' ')).find((each) => known.has(each));
      assert.ok(path !== undefined, `there is no ${command}`);
      const flags = words.filter((word) => word.startsWith('--'));
      const has = known.get(path)?.options.map(({ long }) => long) ?? [];
      assert.deepEqual(
        flags.filter((flag) => !has.includes(flag)),
        [],
        command,
      );
    }
  });

  test('links to a runbook that there is, of every kind', () => {
    const page = readFileSync(new URL('../../../../docs/guides/runbooks.md', import.meta.url), 'utf8');
    const headings = new Set([...page.matchAll(/^## (\w+)$/gm)].map(([, heading = '']) => heading.toLowerCase()));
    const runbooks = ALERT_KINDS.map(
      (kind) => messageOf(alertOf({ kind }), kind, links).runbookUrl.split('#')[1] ?? '',
    );
    assert.deepEqual(
      runbooks.filter((runbook) => !headings.has(runbook)),
      [],
    );
  });

  test('gives a client_id to a shell as one argument, whatever it holds', () => {
    const { command } = messageOf(alertOf({ subject: "a'; rm -rf ~; $(id) `id`" }), 'tpp-failing', links);
    assert.equal(command, "tidings registrations show 'a'\\''; rm -rf ~; $(id) `id`'");
  });

  test('holds no control characters and no more than 500 of a text that a TPP chose', () => {
    const why = `\u001b[2J\u202e${'x'.repeat(600)}`;
    const message = messageOf(alertOf({ why, facts: { odd: '\r\nBcc: x' } }), 'tpp-failing', links);
    assert.equal(message.why.length, 501);
    assert.doesNotMatch(message.why + message.facts['odd'], /\p{C}/u);
  });
});
