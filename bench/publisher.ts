import { startHelper } from './ipc.ts';
import type { FromPublisher, Load, ToPublisher } from './messages.ts';

/** A notification that the service has accepted. */
export interface Accepted {
  readonly jti: string;
  readonly tpp: number;
  /** When the request that carried its event was begun. */
  readonly sentMs: number;
  /** When the answer to it had come. */
  readonly acceptedMs: number;
}

/** The publisher process, as its parent sees it. */
export interface Publisher {
  readonly pid: number;
  /** Accepted so far; some tens of milliseconds old. */
  accepted(): number;
  /** Resolves when the load is done or stopped, and all that was sent is answered. */
  load(load: Load): Promise<void>;
  stopLoad(): void;
  /** Tells it how many were delivered. */
  delivered(count: number): void;
  /** How often the service asked it to try again later (429, 503). */
  postponed(): number;
  report(): Promise<readonly Accepted[]>;
  stop(): Promise<void>;
}

export async function startPublisher(
  target: Omit<Extract<ToPublisher, { kind: 'connect' }>, 'kind'>,
  nodeArguments: readonly string[],
): Promise<Publisher> {
  const connected = Promise.withResolvers<void>();
  let idle = Promise.withResolvers<void>();
  let reported = Promise.withResolvers<void>();
  const ledger: Accepted[] = [];
  const counts = { accepted: 0, postponed: 0 };
  const helper = startHelper<ToPublisher, FromPublisher>('./publisher-process.ts', nodeArguments, (message) => {
    if (message.kind === 'connected') connected.resolve();
    else if (message.kind === 'progress') counts.accepted = message.accepted;
    else if (message.kind === 'failed') idle.reject(new Error(`the publisher failed: ${message.why}`));
    else if (message.kind === 'ledger') keep(message, ledger);
    else if (message.kind === 'idle') {
      Object.assign(counts, { accepted: message.accepted, postponed: message.postponed });
      idle.resolve();
    } else reported.resolve();
  });
  helper.send({ kind: 'connect', ...target });
  await connected.promise;
  return {
    pid: helper.pid,
    accepted: () => counts.accepted,
    load: (load) => {
      idle = Promise.withResolvers();
      helper.send({ kind: 'load', load });
      return idle.promise;
    },
    stopLoad: () => helper.send({ kind: 'stop' }),
    delivered: (count) => helper.send({ kind: 'delivered', count }),
    postponed: () => counts.postponed,
    report: async () => {
      ledger.length = 0;
      reported = Promise.withResolvers();
      helper.send({ kind: 'report' });
      await reported.promise;
      return ledger;
    },
    stop: () => helper.stop(),
  };
}

function keep(chunk: Extract<FromPublisher, { kind: 'ledger' }>, ledger: Accepted[]): void {
  for (const [at, jti] of chunk.jtis.entries()) {
    ledger.push({
      jti,
      tpp: chunk.tpps[at] ?? 0,
      sentMs: chunk.sentMs[at] ?? 0,
      acceptedMs: chunk.acceptedMs[at] ?? 0,
    });
  }
}
