import { startHelper } from './ipc.ts';
import type { FromPublisher, Load, ToPublisher } from './messages.ts';

/** A notification that the service has accepted. */
export interface Accepted {
  readonly jti: string;
  readonly tpp: number;
  /** When the publishing request started. */
  readonly sentMs: number;
  /** When its response was received. */
  readonly acceptedMs: number;
}

/** Parent's interface to the publisher process. */
export interface Publisher {
  readonly pid: number;
  /** Notifications accepted so far; the figure is some tens of milliseconds old. */
  accepted(): number;
  /** Resolves when the load is done or stopped, and all requests have a response. */
  load(load: Load): Promise<void>;
  stopLoad(): void;
  /** Reports the number of deliveries to the publisher. */
  delivered(count: number): void;
  /** How often the service responded 429 or 503. */
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
