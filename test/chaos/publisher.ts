import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createTlsFetch, TlsFetchError } from '@tidings/tpp';
import type { SeededRandom } from './random.ts';

/** The bank's own systems, which publish all the time. */
export interface Publisher {
  /** jti by event id, of every event whose publishing was answered. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Every event id that was ever sent. */
  readonly sent: ReadonlySet<string>;
  /** Events that got another notification when they were published again: must be empty. */
  readonly changedNotification: readonly string[];
  /** Answers that publishing must not get, by status: must be empty. */
  readonly wrongAnswers: readonly string[];
  /** Resolves when every event that was sent was accepted; those that are not within so long are among the wrong answers. */
  stop(withinMs: number): Promise<void>;
}

export interface PublisherOptions {
  /** The operator API, of whatever instance the connection leads to. */
  readonly url: string;
  readonly token: string;
  readonly caPem: string;
  readonly clientIds: readonly string[];
  readonly random: SeededRandom;
  /** Whether the TPPs have so much to do that publishing is to wait. */
  readonly isBusy: (accepted: number) => boolean;
}

const BATCH_MAX = 20;
const PAUSE_MAX_MS = 80;
const AT_ONCE = 2;
const RETRY_MS = 50;
const PUBLISHED_AGAIN = 0.1;
const ANSWER_MAX_MS = 2500;
// Not now: too much is under way, or the store is away.
const LATER = new Set([429, 503]);

/** Publishes batch after batch; one that was not answered is sent again, unchanged, until it is, to any instance. */
export function startPublisher(options: PublisherOptions): Publisher {
  const { url, token, caPem, clientIds, random, isBusy } = options;
  const accepted = new Map<string, string>();
  const sent = new Set<string>();
  const changedNotification: string[] = [];
  const wrongAnswers: string[] = [];
  // A connection for each request, so that each goes to another instance.
  const tlsFetch = createTlsFetch({ transport: { caPem }, keepAlive: false, requestTimeoutMs: ANSWER_MAX_MS });
  let isStopping = false;
  let latestMs = Number.POSITIVE_INFINITY;

  async function tryToPublish(batch: readonly object[]): Promise<boolean> {
    try {
      const response = await tlsFetch(`${url}/operator/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(batch),
      });
      const text = await response.text();
      if (response.status === 200) note(JSON.parse(text));
      else if (!LATER.has(response.status)) wrongAnswers.push(`${response.status}: ${text}`);
      return !LATER.has(response.status);
    } catch (error) {
      if (error instanceof TlsFetchError) return false;
      throw error;
    }
  }
  function note({ outcomes }: { outcomes: readonly { id: string; jti?: string }[] }): void {
    for (const { id, jti } of outcomes) {
      if (jti === undefined) wrongAnswers.push(`no notification was made of ${id}`);
      else if ((accepted.get(id) ?? jti) !== jti) changedNotification.push(id);
      else accepted.set(id, jti);
    }
  }
  async function publishBatch(batch: readonly { id: string }[]): Promise<void> {
    for (const { id } of batch) sent.add(id);
    while (!(await tryToPublish(batch))) {
      if (performance.now() > latestMs) {
        wrongAnswers.push(`${batch.length} events were accepted by nobody`);
        return;
      }
      await pause(RETRY_MS);
    }
    // What is published again is the same event: the answer must name the same notification.
    if (random.fraction() < PUBLISHED_AGAIN) await tryToPublish(batch);
  }
  async function publishOn(): Promise<void> {
    while (!isStopping) {
      if (!isBusy(accepted.size)) {
        const clientId = () => random.pick(clientIds) ?? '';
        await publishBatch(Array.from({ length: random.whole(1, BATCH_MAX) }, () => makeEvent(clientId())));
      }
      await pause(random.whole(0, PAUSE_MAX_MS));
    }
  }
  const done = Promise.all(Array.from({ length: AT_ONCE }, publishOn));
  return {
    ...{ accepted, sent, changedNotification, wrongAnswers },
    stop: async (withinMs) => {
      isStopping = true;
      latestMs = performance.now() + withinMs;
      await done;
      tlsFetch.close();
    },
  };
}

function makeEvent(clientId: string) {
  const id = randomUUID();
  const uri = `https://bank.example/${id}`;
  const links = [{ version: 'v4.0', link: uri }];
  return {
    ...{ id, clientId, transactionId: id, occurredAt: new Date().toISOString() },
    resource: { id, type: 'domestic-payment', version: '4.0', uri, links },
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  };
}
