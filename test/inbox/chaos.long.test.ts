import { test } from 'node:test';
import { checkInbox, runInbox, TIMEOUT_MS } from './checked-run.ts';

// A run of any length is a command: npm run inbox-chaos -- --store sqlite --kills 100

for (const [store, kills] of [
  ['sqlite', 3],
  ['postgres', 2],
] as const) {
  test(`over ${kills} kills at random moments the inbox in ${store} loses nothing and repeats no effect`, {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    checkInbox(await runInbox(t, { store, kills }));
  });
}
