import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { delayBetween, measureDelays, type Sample } from './delays.ts';

function sample(atMs: number, lateMs: number, waitedMs: Readonly<Record<string, number>> = {}): Sample {
  return { atMs, lateMs, waitedMs: new Map(Object.entries(waitedMs)) };
}

test('a process is delayed by what it waited for a CPU, and by what the run itself was late, within the time asked for', () => {
  const samples = [
    sample(100, 0, { one: 5 }),
    sample(200, 3, { one: 10, two: 1 }),
    sample(600, 300, { one: 10, two: 1 }),
    sample(700, 0, { one: 60, two: 2 }),
    sample(800, 0, { one: 65, two: 2 }),
  ];
  assert.equal(delayBetween(samples, 'one', 610, 690), 50);
  assert.equal(delayBetween(samples, 'one', 710, 790), 5);
  assert.equal(delayBetween(samples, 'two', 710, 790), 0);
  assert.equal(delayBetween(samples, 'two', 250, 550), 300, 'the run was late');
  assert.equal(delayBetween(samples, 'one', 150, 750), 300);
  assert.equal(delayBetween(samples, 'unknown', 710, 790), 0);
  assert.equal(delayBetween([], 'one', 0, 100), 0);
});

test('the time that a process waits for a CPU is measured', { skip: process.platform !== 'linux' }, async () => {
  // Two that both want the same CPU all the time.
  const loop = () => spawn('taskset', ['-c', '0', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' });
  const children = [loop(), loop()];
  try {
    await Promise.all(children.map((child) => once(child, 'spawn')));
    const delays = measureDelays(() => new Map([['busy', children[0]?.pid ?? 0]]));
    const fromMs = performance.now();
    await pause(700);
    delays.stop();
    const waitedMs = delays.between('busy', fromMs, performance.now());
    assert.ok(waitedMs > 100, `${waitedMs} ms`);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
});
