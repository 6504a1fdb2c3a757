import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import type { Scene } from './browser.ts';

/** The frames that a page drew while something went on. */
export interface Frames {
  readonly perSecond: number;
  /** The longest time between two frames. */
  readonly longestMs: number;
  /** 99 of 100 frames came within this time after the one before. */
  readonly p99Ms: number;
}

const RECORD = `{
  const times = [];
  const draw = (at) => { times.push(at); globalThis.frameRequest = requestAnimationFrame(draw); };
  globalThis.frameTimes = times;
  requestAnimationFrame(draw);
}`;

/** Measures the frames that a page draws during a piece of work. */
export async function framesDuring(page: Page, work: () => Promise<void>): Promise<Frames> {
  await page.evaluate(RECORD);
  await work();
  const times: number[] = await page.evaluate('cancelAnimationFrame(globalThis.frameRequest), globalThis.frameTimes');
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
  const sorted = gaps.toSorted((left, right) => left - right);
  const lastedMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return {
    perSecond: (gaps.length * 1000) / lastedMs,
    longestMs: sorted.at(-1) ?? Number.POSITIVE_INFINITY,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY,
  };
}

const PORTION_MS = 100;

/** Publishes events for a TPP at an even rate, each of which is an entry of the live stream. @returns how many */
export async function publishEvenly(bank: Scene['bank'], perSecond: number, seconds: number): Promise<number> {
  const portion = Array.from({ length: (perSecond * PORTION_MS) / 1000 }, () => 'tpp-polls');
  const portions = (seconds * 1000) / PORTION_MS;
  const publishing: Promise<unknown>[] = [];
  for (let count = 0; count < portions; count += 1) {
    publishing.push(bank.publishAll(portion));
    await pause(PORTION_MS);
  }
  await Promise.all(publishing);
  return portion.length * portions;
}
