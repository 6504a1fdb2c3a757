import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changePortions, countOf } from '../../src/cli/bulk.ts';
import { CliError, EXIT_FAILED } from '../../src/cli/cli-error.ts';

const PARTS = [{ count: 1000, next: 'one' }, { count: 1000, next: 'two' }, { count: 7 }] as const;
const NEXT: readonly (string | undefined)[] = [undefined, 'one', 'two'];

test('a large change is called for part by part, each after the one before', async () => {
  const asked: (string | undefined)[] = [];
  const parts = await changePortions(async (after) => {
    asked.push(after);
    return { value: PARTS[NEXT.indexOf(after)] ?? { count: 0 } };
  }, 'withdrawn');
  assert.deepEqual(asked, NEXT);
  assert.equal(countOf(parts), 2007);
});

/** What is said when a part fails. */
async function failureAt(failing: number, error: Error): Promise<unknown> {
  return changePortions(async (after) => {
    if (NEXT.indexOf(after) === failing) throw error;
    return { value: PARTS[NEXT.indexOf(after)] ?? { count: 0 } };
  }, 'withdrawn').catch((thrown: unknown) => thrown);
}

test('when a part fails it is said how many were changed before', async () => {
  const failure = await failureAt(2, new CliError(EXIT_FAILED, 'It is gone.'));
  assert.ok(failure instanceof CliError);
  assert.equal(failure.message, 'It is gone. Before that, 2000 notifications were withdrawn.');
  assert.equal(failure.exitCode, EXIT_FAILED);
});

test('when the first part fails, or for a reason of our own, nothing is added', async () => {
  const refused = new CliError(EXIT_FAILED, 'It is gone.');
  assert.equal(await failureAt(0, refused), refused);
  const bug = new TypeError('a bug');
  assert.equal(await failureAt(1, bug), bug);
});
