import assert from 'node:assert/strict';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { parseConfig } from '../../src/config/load.ts';

/** The message that settings are refused with: one sentence. */
export function refusal(settings: unknown): string {
  return messageOf(() => parseConfig(settings, '/etc/tidings', 'tidings.json'));
}

/** The message of the error that something ends with: one sentence, about the configuration. */
export function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof StartUpError, String(error));
    assert.match(error.message, /[.?]$/);
    assert.doesNotMatch(error.message, /\n|undefined|\[object|null\b/);
    assert.ok(error.message.length < 400, error.message);
    return error.message;
  }
  throw new assert.AssertionError({ message: 'the settings were accepted' });
}
