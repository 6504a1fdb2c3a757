import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RssSample, rssVerdict } from '../../bench/rss.ts';

const MIB = 2 ** 20;
const KIB = 1024;

/** Half an hour of a process at 200 MiB, one sample a second. */
function run(extraBytes: (atSeconds: number) => number): RssSample[] {
  return Array.from({ length: 1800 }, (_, atSeconds) => ({ atSeconds, rssBytes: 200 * MIB + extraBytes(atSeconds) }));
}

/** A garbage collector at work: 40 MiB are filled in 90 s, and freed. */
const sawtooth = (atSeconds: number) => ((atSeconds % 90) / 90) * 40 * MIB;

test('memory that rises and falls, fills its caches first, or makes a single step is flat', () => {
  for (const samples of [
    run(sawtooth),
    run((atSeconds) => sawtooth(atSeconds) + Math.min(atSeconds / 500, 1) * 100 * MIB),
    run((atSeconds) => sawtooth(atSeconds) + (atSeconds > 1500 ? 30 * MIB : 0)),
    run((atSeconds) => sawtooth(atSeconds) + (atSeconds > 1700 && atSeconds < 1720 ? 300 * MIB : 0)),
    run((atSeconds) => sawtooth(atSeconds) - atSeconds * 10 * KIB),
  ]) {
    assert.ok(rssVerdict(samples, 10 * KIB).isFlat);
  }
});

test('memory that grows by 20 KiB a second under its rise and fall is not flat', () => {
  const verdict = rssVerdict(
    run((atSeconds) => sawtooth(atSeconds) + atSeconds * 20 * KIB),
    10 * KIB,
  );
  assert.ok(!verdict.isFlat);
  assert.ok(Math.abs(verdict.slopeBytesPerSecond - 20 * KIB) < 2 * KIB, String(verdict.slopeBytesPerSecond));
  assert.ok(verdict.lastBytes > verdict.firstBytes);
});

test('samples that tell no slope are refused', () => {
  assert.throws(() => rssVerdict([], 1), /no samples/);
  assert.throws(() => rssVerdict([{ atSeconds: 0, rssBytes: 1 }], 1), /too few/);
});
