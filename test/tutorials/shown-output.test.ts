import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findShown, isShown } from './shown-output.ts';

test('what a page shows is compared without what differs between runs', () => {
  const shown = 'jti 190364f8-4f9c-420e-b4d1-76a6b5317fab at 2026-11-29T20:00:00Z\n…\nattempt 1  → 202 9 ms\n';
  const output =
    'jti 01a228e0-d918-7f4c-b4a7-03affcbd6d3c  at 2027-01-01T00:00:00.123Z\na\nb\nattempt 1 → 202 12.5 ms\n\n';
  assert.ok(isShown(shown, output));
  assert.ok(isShown('status …, open\n', 'status fine, open\n'));
});

test('what a page shows wrongly is found', () => {
  assert.ok(!isShown('attempt 1 → 202\n', 'attempt 2 → 202\n'));
  assert.ok(!isShown('a\n', 'a\nb\n'), 'a line that the page does not show');
  assert.ok(!isShown('a\nb\n', 'a\n'), 'a line that did not come');
  assert.ok(!isShown('a\n…\nc\n', 'a\nb\n'));
});

test('what a page shows is found in output that goes on', () => {
  assert.equal(findShown('b\n', ['a', 'b', 'c']), 2);
  assert.equal(findShown('b\n…\nd\n', ['a', 'b', 'c', 'd', 'e']), 4);
  assert.equal(findShown('x\n', ['a', 'b']), undefined);
});
