import { subscriptionOf, tppOf, urlOf } from '../../packages/service/test/support/bank-events.ts';
import type { RetryOverrides, Store, Tpp } from '../../packages/service/test/support/parts.ts';
import type { Network } from './network.ts';
import type { Oracle } from './oracle.ts';

const POLL_REOFFER_MS = 2000;

interface CallsOptions {
  readonly store: Store;
  readonly oracle: Oracle;
  readonly network: Network;
  /** The time by a clock that is right. */
  readonly nowMs: () => number;
}

/** Calls of TPPs and of the operator, made on the store itself; the oracle checks and learns what came of each. */
export class Calls {
  readonly #store: Store;
  readonly #oracle: Oracle;
  readonly #network: Network;
  readonly #nowMs: () => number;
  /** What each TPP was offered by its last poll, which its next one acknowledges. */
  readonly #offered = new Map<string, string[]>();
  #moves = 0;

  constructor({ store, oracle, network, nowMs }: CallsOptions) {
    this.#store = store;
    this.#oracle = oracle;
    this.#network = network;
    this.#nowMs = nowMs;
  }

  async poll(clientId: string): Promise<void> {
    const acknowledged = this.#offered.get(clientId) ?? [];
    const { notifications } = await this.#store.poll({
      ...{ clientId, acknowledged, errors: [], maxEvents: 3, nowMs: this.#nowMs() },
      ...{ reofferMs: POLL_REOFFER_MS, reofferAfterErrorMs: POLL_REOFFER_MS },
    });
    const offered = notifications.map(({ jti }) => jti);
    this.#offered.set(clientId, offered);
    this.#oracle.polled(clientId, acknowledged, offered);
  }

  async redeliver(clientId: string, only: 'awaiting' | undefined): Promise<void> {
    const atMs = this.#nowMs();
    const filter = { clientId, ...(only !== undefined && { only }) };
    const audit = { atMs, actor: 'operator', action: 'redeliver', subject: clientId, detail: {} };
    const spread = { after: undefined, limit: 10_000, firstDueAtMs: atMs, spacingMs: 10 };
    const { count } = await this.#store.redeliver({ filter, ...spread, isDryRun: false, audit });
    const expected = this.#oracle.redelivered(clientId, only, atMs);
    if (count !== expected) this.#oracle.fail(`${count} of ${clientId} were redelivered, not ${expected}`);
  }

  async recover(clientId: string, how: 'responsive' | 'probe-now'): Promise<void> {
    const nowMs = this.#nowMs();
    const audit = { atMs: nowMs, actor: 'operator', action: how, subject: clientId, detail: {} };
    const party = this.#oracle.party(clientId);
    const isRecovered = await this.#store.recover(clientId, how, nowMs, audit);
    if (isRecovered !== (party.isUnresponsive && !party.isSuspended))
      this.#oracle.fail(`${clientId} ${how}: ${isRecovered}`);
    if (isRecovered) this.#oracle.recovered(clientId, how, nowMs);
  }

  async move(clientId: string, isOther: boolean): Promise<void> {
    const nowMs = this.#nowMs();
    const party = this.#oracle.party(clientId);
    if (isOther) this.#moves += 1;
    const callbackUrl = isOther ? `${urlOf(clientId)}/${this.#moves}` : party.url;
    const changed = await this.#store.replaceRegistration(subscriptionOf(clientId, { callbackUrl }), nowMs);
    if (changed !== 'changed') this.#oracle.fail(`${clientId} was not replaced: ${changed}`);
    this.#oracle.replaced(clientId, callbackUrl, nowMs);
    if (isOther) this.#network.behave(callbackUrl, 'healthy');
  }

  /** The TPP was removed. */
  forget(clientId: string): void {
    this.#offered.delete(clientId);
  }
}

/** A TPP with a retry policy of its own, if it has one. */
export function withRetry(clientId: string, retry: RetryOverrides | undefined): Tpp {
  return { ...tppOf(clientId), ...(retry !== undefined && { retry }) };
}
