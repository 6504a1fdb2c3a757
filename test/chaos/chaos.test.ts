import { test } from 'node:test';
import { checkRun, TIMEOUT_MS } from './checked-run.ts';

// The short form of chaos.long.test.ts: the service is killed once, and its PostgreSQL once.

for (const store of ['sqlite', 'postgres'] as const) {
  test(`a kill at a random moment on ${store} loses nothing, and no more comes twice than was in flight`, {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    await checkRun(t, { store, kills: 1, isKillsAlone: true, instances: 1, powerCuts: 0 });
  });
}
