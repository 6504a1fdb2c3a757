import { isJsonObject, parseStrictJson } from '@tidings/protocol';
import type { Clock } from '../../base/clock.ts';
import type { StoreChange } from '../store.ts';

const NOBODY: ReadonlySet<string> = new Set();
// Others hear of what happened within this time in one message: the server passes messages on one by one.
const GATHER_MS = 20;
// PostgreSQL takes less than 8000 bytes.
const PAYLOAD_BYTES_MAX = 7900;

/** How changes get to other instances, and theirs to this one. */
export interface ChangesOptions {
  readonly clock: Clock;
  /** Tells this instance from the others. */
  readonly instance: string;
  /** Sends a message to all instances that listen; undefined: nobody does. */
  readonly send: ((payload: string) => Promise<void>) | undefined;
}

/** Tells listeners of changes: those made here at once, those of others when a message or a look brings them. */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #offered = new Set<string>();
  #retargeted = new Set<string>();
  #isGathering = false;
  #cancel: (() => void) | undefined;

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  /** @returns ends it */
  listen(listener: (change: StoreChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something was changed here, and is committed. */
  tell({ offered = NOBODY, retargeted = NOBODY }: Partial<StoreChange>): void {
    if (offered.size + retargeted.size === 0) return;
    this.#fire({ offered, retargeted });
    if (this.#options.send === undefined) return;
    for (const clientId of offered) this.#offered.add(clientId);
    for (const clientId of retargeted) this.#retargeted.add(clientId);
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#cancel = this.#options.clock.after(GATHER_MS, () => this.#send());
  }

  /** Another instance changed something; found by looking. */
  found(change: StoreChange): void {
    if (change.offered.size + change.retargeted.size > 0) this.#fire(change);
  }

  /** @returns true when it says only that much has changed: one has to look */
  receive(payload: string): boolean {
    const message = readMessage(payload);
    if (message === undefined || message.instance === this.#options.instance) return false;
    if (message.change === undefined) return true;
    this.found(message.change);
    return false;
  }

  stop(): void {
    this.#cancel?.();
    this.#listeners.clear();
  }

  #fire(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** A message that is lost is made up for by looking. */
  #send(): void {
    this.#isGathering = false;
    const { instance, send } = this.#options;
    const payload = JSON.stringify({ i: instance, o: [...this.#offered], r: [...this.#retargeted] });
    this.#offered = new Set();
    this.#retargeted = new Set();
    const isShort = Buffer.byteLength(payload) <= PAYLOAD_BYTES_MAX;
    send?.(isShort ? payload : JSON.stringify({ i: instance })).catch(() => undefined);
  }
}

interface Message {
  readonly instance: string;
  /** Undefined: too many to name. */
  readonly change: StoreChange | undefined;
}

/** Whoever may connect to the database may send messages: what is not one of ours is passed over. */
function readMessage(payload: string): Message | undefined {
  let message: unknown;
  try {
    message = parseStrictJson(Buffer.from(payload));
  } catch {
    return undefined;
  }
  if (!isJsonObject(message) || typeof message['i'] !== 'string') return undefined;
  const { i: instance, o: offered, r: retargeted } = message;
  if (!Array.isArray(offered) || !Array.isArray(retargeted)) return { instance, change: undefined };
  return { instance, change: { offered: textsOf(offered), retargeted: textsOf(retargeted) } };
}

function textsOf(values: readonly unknown[]): ReadonlySet<string> {
  return new Set(values.filter((value) => typeof value === 'string'));
}
