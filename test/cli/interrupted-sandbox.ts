import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { start } from '../support/command.ts';

/** Tests that Ctrl-C after a step of the flow ends the command and leaves nothing behind in its state folder. */
export function testInterruptedAfter(step: 'pki' | 'start' | 'publish', state: string): void {
  test(`SIGINT after the step ${step} of sandbox --once ends it with 130 and leaves nothing behind`, async () => {
    const running = start(['sandbox', '--once', '--json', '--state', state]);
    await running.line(new RegExp(`"step":"${step}"`));
    running.child.kill('SIGINT');
    const { code, signal, stderr } = await running.ended;
    assert.equal(signal, null, 'it ended by itself');
    assert.equal(code, 130, stderr);
    assert.equal(stderr, '', 'what fails because it is stopped is not told');
    assert.deepEqual(
      readdirSync(state).filter((name) => name.startsWith('once-')),
      [],
    );
  });
}
