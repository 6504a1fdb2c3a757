import type { TestContext } from 'node:test';
import type { NotificationHandlerOptions, PollerSettings } from '@tidings/tpp';
import { type ClientChanges, type FakeBank, startBank } from './fake-bank.ts';
import { makeSet, receiverOptions } from './sets.ts';

/** Waiting that lasts until the test ends it. */
export interface HeldTime {
  /** Every delay that was asked for, milliseconds. */
  readonly delays: number[];
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
  /** Resolves with the delay once the n-th wait has begun, from 1. */
  begun(n: number): Promise<number>;
  /** Ends the wait that has begun last. */
  release(): void;
}

/** Makes a time that stands still. */
export function heldTime(): HeldTime {
  const delays: number[] = [];
  const begun: { n: number; resolve: (delayMs: number) => void }[] = [];
  let release: () => void = () => undefined;
  return {
    delays,
    wait: async (delayMs, signal) => {
      if (signal.aborted) return;
      const over = Promise.withResolvers<void>();
      release = () => over.resolve();
      signal.addEventListener('abort', () => over.resolve());
      delays.push(delayMs);
      for (const each of begun) if (each.n === delays.length) each.resolve(delayMs);
      await over.promise;
    },
    begun: async (n) => {
      const delayMs = delays[n - 1];
      if (delayMs !== undefined) return delayMs;
      const { promise, resolve } = Promise.withResolvers<number>();
      begun.push({ n, resolve });
      return await promise;
    },
    release: () => release(),
  };
}

/** Settings of a poller at the fake bank, and what it meets: the time is held, and the jitter is the middle. */
export interface Polling {
  readonly bank: FakeBank;
  readonly time: HeldTime;
  readonly options: PollerSettings & NotificationHandlerOptions;
  /** `jti`s that the handler got. */
  readonly handled: string[];
  /** `code:jti:isReported` of every refusal. */
  readonly refused: string[];
  /** Status or kind of every poll that failed. */
  readonly failed: (number | string)[];
}

/** Starts a bank, and makes the options of a poller for it. */
export async function startPolling(
  t: TestContext,
  changes: Partial<PollerSettings & NotificationHandlerOptions> = {},
  clientChanges: ClientChanges = {},
): Promise<Polling> {
  const bank = await startBank(t, clientChanges);
  const time = heldTime();
  const handled: string[] = [];
  const refused: string[] = [];
  const failed: (number | string)[] = [];
  const options = {
    ...(await receiverOptions()),
    bank: bank.client,
    now: () => bank.nowMs,
    random: () => 0.5,
    wait: time.wait,
    onNotification: ({ jti }: { jti: string }) => void handled.push(jti),
    onRefused: ({ code, jti, isReported }: { code: string; jti: string; isReported: boolean }) =>
      void refused.push(`${code}:${jti}:${isReported}`),
    onPollFailed: ({ error }: { error: { kind: string; status: number | undefined } }) =>
      void failed.push(error.status ?? error.kind),
    ...changes,
  };
  return { bank, time, options: { ...options, onRefused: options.onRefused }, handled, refused, failed };
}

/** Makes SETs and puts them at the bank, in their order. */
export async function publish(bank: FakeBank, ...jtis: string[]): Promise<void> {
  for (const jti of jtis) bank.events.publish(jti, await makeSet({ jti }));
}
