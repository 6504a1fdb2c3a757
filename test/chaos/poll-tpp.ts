import { type BankClient, BankError, createNotificationHandler, createPoller } from '@tidings/tpp';
import type { TppOptions } from './push-tpp.ts';

/** A TPP that polls. */
export interface PollTpp {
  readonly clientId: string;
  /** From now on its handler does not fail any more. */
  behave(): void;
  /** What ended its polling, which nothing should. */
  readonly failed: readonly string[];
  stop(): Promise<void>;
}

const POLL_TIMEOUT_MS = 3000;
const HANDLER_FAILS = 0.03;

/**
 * A TPP that collects its notifications with the poller, from whatever instance the client's connection leads to. Its
 * handler fails now and then.
 *
 * What a poll acknowledged and was answered is the bank's to remember: no later poll may offer it. A poll that was not
 * answered may or may not have counted.
 */
export function startPollTpp(options: TppOptions & { readonly client: BankClient }): PollTpp {
  const { clientId, pki, keys, issuer, ledger, random, client } = options;
  const { acknowledgedByPoll: acknowledged } = ledger;
  const failed: string[] = [];
  let isWell = false;
  const poller = createPoller({
    ...{ issuer, clientId, keys },
    signer: pki.bank.organisationId,
    bank: {
      events: {
        poll: async (request = {}, limits = {}) => {
          const answer = await client.events.poll(request, limits);
          for (const jti of request.ack ?? []) acknowledged.add(jti);
          for (const set of answer.sets.values()) {
            const jti = ledger.noteSet(set);
            if (acknowledged.has(jti)) ledger.offeredAgain.push(jti);
          }
          return answer;
        },
      },
    },
    handler: createNotificationHandler({
      onNotification: (notification) => {
        if (!isWell && random.fraction() < HANDLER_FAILS) throw new Error('the handler fails now and then');
        ledger.handle(notification);
      },
    }),
    ...{ requestTimeoutMs: POLL_TIMEOUT_MS, retryDelayMsMin: 20, retryDelayMsMax: 200, pollIntervalMs: 50 },
    onRefused: ({ code, message }) => {
      if (code !== 'handler_failed') ledger.refused.push(`${clientId}: ${code}: ${message}`);
    },
  });
  const running = poller.run().catch((error: unknown) => {
    if (!(error instanceof BankError)) throw error;
    failed.push(`${error.kind}: ${error.message}`);
  });
  return {
    clientId,
    failed,
    behave: () => {
      isWell = true;
    },
    stop: async () => {
      await poller.stop();
      await running;
    },
  };
}
