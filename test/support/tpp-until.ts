import { setImmediate as nextTurn } from 'node:timers/promises';

const PATIENCE_MS = 20_000;

/** Looks in every turn of the event loop until something is so; fails the test when it never is. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsAtMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > endsAtMs) throw new Error(`never came true: ${what}`);
    await nextTurn();
  }
}
