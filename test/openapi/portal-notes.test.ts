import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { API_ERRORS, CODES_NEVER_SENT } from '@tidings/protocol';
import { portalNotesPage } from '../../scripts/portal-notes-doc.ts';
import { printPortalNotes } from './print.ts';

test('docs/portal-notes.md is what the command prints for the example (node scripts/portal-notes-doc.ts writes it)', () => {
  assert.equal(readFileSync('docs/portal-notes.md', 'utf8'), portalNotesPage());
});

test('the notes hold what the configuration sets, in words', async () => {
  const notes = await printPortalNotes({
    polling: {
      maxEventsDefault: 25,
      maxEventsMax: 40,
      longPollMaxMs: 45_000,
      intervalSeconds: 90,
      reofferMs: 120_000,
      reofferAfterErrorMs: 7_200_000,
    },
    delivery: { timeoutMs: 4000 },
    accessTokens: {
      issuer: 'https://auth.example',
      audience: 'a',
      jwksUrl: 'https://auth.example/jwks',
      clockSkewSeconds: 7,
    },
  });
  for (const words of [
    /no `maxEvents` \| 25 \|/,
    /whatever your `maxEvents` \| 40 \|/,
    /long poll \| 45 seconds \|/,
    /polling interval \| 1 minute 30 seconds \|/,
    /did not acknowledge is returned again \| after 2 minutes \|/,
    /reported an error is returned again \| after 2 hours \|/,
    /You have 4 seconds/,
    /tolerance of 7 seconds/,
    /is kept without a time limit/,
    /`UK\.EXAMPLE\.Card-Replaced` \| `urn:uk:bank\.example:events:card-replaced` \| us/,
    /https:\/\/events\.bank\.example\/psd2\/open-banking\/v3\.1\/events/,
  ]) {
    assert.match(notes, words);
  }
});

test('the schedule is that of the retry policy, and ends at the first of its limits', async () => {
  const policy = { delayMs: 1000, delayMaxMs: 8000, retriesMax: 6, intervalMaxMs: 60_000, jitter: 0.5 };
  const byNumber = await printPortalNotes({ retry: policy });
  assert.match(byNumber, /\| 4 to 6 \| 8 seconds \| 15 seconds to 31 seconds \|/);
  assert.match(byNumber, /up to 50 % shorter/);
  const byTime = await printPortalNotes({ retry: { ...policy, intervalMaxMs: 20_000 } });
  assert.match(byTime, /This makes 4 retries over 15 seconds/);
  assert.match(await printPortalNotes({ retry: { ...policy, retriesMax: 0 } }), /There is no retry\./);
});

test('what is not offered is not described, and is said to be missing', async () => {
  const polling = await printPortalNotes({ realTime: { isOffered: false } });
  assert.doesNotMatch(polling, /## Real-time|callback-urls\/\{/);
  assert.match(polling, /`CallbackUrl` is not expected/);
  assert.match(polling, /not acknowledged, in a poll, is kept/);
  const realTime = await printPortalNotes({ polling: { isOffered: false } });
  assert.doesNotMatch(realTime, /## Aggregated polling|POST \/events|eventpolling/);
  assert.match(realTime, /We do not offer aggregated polling\./);
  const once = await printPortalNotes({ polling: { isAcknowledgementExpected: false, longPollMaxMs: 0 } });
  assert.match(once, /each SET is returned once/);
  assert.match(once, /not offered: every poll is answered immediately/);
});

test('every error code that is sent stands in the notes, in both vocabularies', async () => {
  const notes = await printPortalNotes();
  for (const [name, { v40, v31 }] of Object.entries(API_ERRORS)) {
    if (CODES_NEVER_SENT.some((each) => each === name)) continue;
    for (const code of [v40, v31]) assert.ok(code === undefined || notes.includes(`\`${code}\``), code);
  }
});

test('a configuration that is not good ends the commands with 2 and the name of the setting', () => {
  for (const args of [['portal-notes'], ['openapi', 'operator']]) {
    const bin = 'packages/service/bin/tidings.js';
    const run = spawnSync(process.execPath, [bin, ...args, '--config', 'package.json'], { encoding: 'utf8' });
    assert.equal(run.status, 2);
    assert.match(run.stderr, /^tidings: package\.json: /);
  }
  const unknown = spawnSync(process.execPath, ['packages/service/bin/tidings.js', 'openapi', '-c', 'x', 'other']);
  assert.equal(unknown.status, 2);
});
