import { setImmediate as nextTurn } from 'node:timers/promises';

const PATIENCE_MS = 20_000;

/** Looks in every turn of the event loop until something is so; fails the test when it never is, or not in time. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const endsAtMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endsAtMs) throw new Error(`never came true: ${what}`);
    await nextTurn();
  }
}
