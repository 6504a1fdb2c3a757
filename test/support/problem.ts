import assert from 'node:assert/strict';

export const PROBLEM_TYPE = 'application/problem+json';

const INTERNALS = /node_modules|node:|\.ts\b|FST_|ERR_|sqlite|SELECT |INSERT |\bat .+:\d+:\d+/i;

/** Problem details (RFC 9457) that say one clear sentence, and name the field where one is expected. */
export function checkProblem(body: Record<string, unknown>, status: number, field?: string): void {
  const { type, title, status: said, detail, ...members } = body;
  const text = JSON.stringify(body);
  assert.equal(type, 'about:blank', text);
  assert.ok(typeof title === 'string' && title.length > 0 && title !== 'Error', text);
  assert.equal(said, status, text);
  assert.ok(typeof detail === 'string', text);
  assert.match(detail, /^[A-Z[a-z_].*\.$/s, 'a sentence');
  assert.doesNotMatch(detail, INTERNALS);
  if (field !== undefined) {
    assert.equal(members['field'], field, text);
    assert.ok(detail.startsWith(`${field} `), text);
  }
}
