import { attempt } from './attempt.ts';
import type { InboxFailure, InboxLimits, InboxOptions } from './inbox-options.ts';
import type { Claim, ClaimedNotification } from './inbox-store.ts';

/** The loop that handles what is in the inbox. */
export interface Worker {
  /** Looks for work at once. */
  wake(): void;
  /** Runs until the signal is aborted, and then until the attempts in progress have ended. */
  run(signal: AbortSignal): Promise<void>;
}

const PURGE_INTERVAL_MS = 3_600_000;
const PURGED_AT_ONCE_MAX = 1000;
// Three chances to renew a lease before it ends.
const RENEWALS_PER_LEASE = 3;

/** Creates the worker of an inbox. @param report gets every failure; must not throw */
export function createWorker<Transaction, Prepared>(
  options: InboxOptions<Transaction, Prepared>,
  limits: InboxLimits,
  report: (failure: InboxFailure) => void,
): Worker {
  const { store } = options;
  const bell = createBell(limits.wait);
  const inProgress = new Map<string, Claim>();
  const running = new Set<Promise<void>>();
  const free = () => limits.concurrency - inProgress.size;
  const reportStore = (cause: unknown) =>
    report({ kind: 'inbox', notification: undefined, attempt: 0, retryAtMs: limits.now() + limits.pollMs, cause });

  async function begin(claim: ClaimedNotification): Promise<void> {
    inProgress.set(claim.id, claim);
    try {
      const failure = await attempt(claim, options, limits);
      if (failure !== undefined) report(failure);
    } catch (cause) {
      reportStore(cause);
    } finally {
      inProgress.delete(claim.id);
      bell.ring();
    }
  }

  async function claimSome(): Promise<number> {
    const nowMs = limits.now();
    const leaseUntilMs = nowMs + limits.leaseMs;
    const { order, randomUuid } = limits;
    const claims = await store.claim({ nowMs, leaseUntilMs, lease: randomUuid(), limit: free(), order });
    for (const claim of claims) {
      const ended = begin(claim).finally(() => running.delete(ended));
      running.add(ended);
    }
    return claims.length;
  }

  async function renewUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await limits.wait(Math.floor(limits.leaseMs / RENEWALS_PER_LEASE), signal);
      if (signal.aborted || inProgress.size === 0) continue;
      await store.renew([...inProgress.values()], limits.now() + limits.leaseMs).catch(reportStore);
    }
  }

  async function purgeUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const purged = await store.purge(limits.now() - limits.retentionMs, PURGED_AT_ONCE_MAX).catch((cause) => {
        reportStore(cause);
        return 0;
      });
      await limits.wait(purged === PURGED_AT_ONCE_MAX ? limits.pollMs : PURGE_INTERVAL_MS, signal);
    }
  }

  return {
    wake: bell.ring,
    run: async (signal) => {
      const stopping = new AbortController();
      const beside = [renewUntil(stopping.signal), purgeUntil(stopping.signal)];
      signal.addEventListener('abort', bell.ring);
      while (!signal.aborted) {
        const claimed =
          free() === 0
            ? 0
            : await claimSome().catch((cause) => {
                reportStore(cause);
                return 0;
              });
        if (claimed === 0) await bell.wait(limits.pollMs);
      }
      signal.removeEventListener('abort', bell.ring);
      await Promise.all(running);
      stopping.abort();
      await Promise.all(beside);
    },
  };
}

interface Bell {
  ring(): void;
  /** Resolves after the delay, or at the next ring; at once when it has rung since the last wait. */
  wait(delayMs: number): Promise<void>;
}

function createBell(wait: InboxLimits['wait']): Bell {
  let rung = new AbortController();
  return {
    ring: () => rung.abort(),
    wait: async (delayMs) => {
      await wait(delayMs, rung.signal);
      if (rung.signal.aborted) rung = new AbortController();
    },
  };
}
