import { startHelper } from './ipc.ts';
import type { FromReceiver, ToReceiver } from './messages.ts';

/** Notifications received by the TPPs, by jti. */
export type ReceiverLedger = ReadonlyMap<string, { readonly answeredMs: number; readonly count: number }>;

/** Parent's interface to the receiver process. */
export interface Receiver {
  readonly pid: number;
  /** The callback URL of each TPP. */
  readonly callbackUrls: readonly string[];
  /** Notifications acknowledged so far, each counted once; the figure is some tens of milliseconds old. */
  answered(): number;
  /** Observer of changes of `answered`. */
  onProgress(listener: (answered: number) => void): void;
  hang(tpps: readonly number[]): void;
  heal(): void;
  /** The whole ledger, and samples of the received SETs. */
  report(): Promise<{ ledger: ReceiverLedger; samples: readonly string[] }>;
  stop(): Promise<void>;
}

export async function startReceiver(options: {
  tpps: number;
  /** Number of TPPs per origin of callback URLs. */
  tppsPerOrigin: number;
  certificatePem: string;
  keyPem: string;
  nodeArguments: readonly string[];
}): Promise<Receiver> {
  const { tpps, tppsPerOrigin, certificatePem, keyPem, nodeArguments } = options;
  const listening = Promise.withResolvers<readonly number[]>();
  let reported = Promise.withResolvers<readonly string[]>();
  const ledger = new Map<string, { answeredMs: number; count: number }>();
  const listeners: ((answered: number) => void)[] = [];
  let answered = 0;
  const helper = startHelper<ToReceiver, FromReceiver>('./receiver-process.ts', nodeArguments, (message) => {
    if (message.kind === 'listening') listening.resolve(message.ports);
    else if (message.kind === 'progress') {
      answered = message.answered;
      for (const listener of listeners) listener(answered);
    } else if (message.kind === 'ledger') {
      for (const [at, jti] of message.jtis.entries()) {
        ledger.set(jti, { answeredMs: message.answeredMs[at] ?? 0, count: message.counts[at] ?? 0 });
      }
    } else reported.resolve(message.samples);
  });
  helper.send({ kind: 'listen', origins: Math.ceil(tpps / tppsPerOrigin), certificatePem, keyPem });
  const ports = await listening.promise;
  return {
    pid: helper.pid,
    callbackUrls: Array.from({ length: tpps }, (_, tpp) => {
      const port = ports[Math.floor(tpp / tppsPerOrigin)];
      return `https://localhost:${port}/tpp-${tpp}/open-banking/v4.0/event-notifications`;
    }),
    answered: () => answered,
    onProgress: (listener) => void listeners.push(listener),
    hang: (hanging) => helper.send({ kind: 'hang', tpps: hanging }),
    heal: () => helper.send({ kind: 'heal' }),
    report: async () => {
      reported = Promise.withResolvers();
      helper.send({ kind: 'report' });
      return { samples: await reported.promise, ledger };
    },
    stop: () => helper.stop(),
  };
}
