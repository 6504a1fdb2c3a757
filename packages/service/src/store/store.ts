import type { NotificationRecord } from '../model/notification.ts';
import type { AlertStore } from './alerts.ts';
import type { Delivery, PolledNotifications, PollToStore } from './delivery.ts';
import type { ErasureStore } from './erasure.ts';
import type {
  ActivityStore,
  BulkPortion,
  BulkResult,
  CallbackHealthStore,
  InstanceStore,
  Operations,
  SigningKeyStore,
} from './operations.ts';
import type { Registry } from './registry.ts';
import type { Search, SearchPage } from './search.ts';

/** How the connections of this process to the database are used now. */
export interface StoreConnections {
  readonly open: number;
  /** Of them, those that are not in use. */
  readonly idle: number;
  /** Operations that wait for a connection. */
  readonly waiting: number;
}

/** A change by another part of this process, or by another process on the same store. */
export interface StoreChange {
  /** TPPs that have something new to be offered in a poll, or due. */
  readonly offered: ReadonlySet<string>;
  /** TPPs whose registration, suspension or responsiveness changed: claims for them may be stale. */
  readonly retargeted: ReadonlySet<string>;
}

/**
 * The store, as whole operations. Each is atomic, and durable when its promise resolves: a crash at any moment loses nothing
 * of it. When a change withdraws a large backlog, or ends the retry waits of one, that is done in portions after the change;
 * after a crash the process that opens the store next continues. Times are milliseconds since the epoch, given by the caller.
 * Every method rejects with {@link StoreError} when the store cannot be read or written.
 */
export interface Store
  extends Registry,
    Delivery,
    Operations,
    SigningKeyStore,
    CallbackHealthStore,
    ActivityStore,
    AlertStore,
    InstanceStore,
    ErasureStore {
  /** Acknowledges, records errors, then offers: in this order, in one transaction. Notifications of other TPPs are ignored. */
  poll(poll: PollToStore): Promise<PolledNotifications>;
  /** When the next notification of the TPP that is withheld may be offered again; undefined when none is withheld. */
  nextOfferAtMs(clientId: string): Promise<number | undefined>;
  /**
   * Registers a listener of changes. It is called after their commit; for those of other processes on the same store a moment
   * later.
   *
   * @returns removes the listener
   */
  onChange(listener: (change: StoreChange) => void): () => void;

  /** When the oldest awaiting notification was published; no notification needs a key that was retired before. */
  oldestAwaitingAtMs(): Promise<number | undefined>;

  notification(jti: string): Promise<NotificationRecord | undefined>;
  /**
   * Searches notifications, the newest first: by when they were published, then in the order of publishing. It goes through
   * a bounded number of candidates by an index, so that a page may hold fewer than its limit though there is a next one.
   * A notification that changes meanwhile may be on a later page in its old or its new state.
   */
  search(search: Search): Promise<SearchPage>;
  /**
   * Withdraws notifications that are awaiting and not under way, the oldest first: they are neither pushed nor offered any
   * more. In the same transaction it is audited with the count, unless that is 0.
   */
  withdraw(withdrawal: BulkPortion): Promise<BulkResult>;

  /** Checks that the store can be written, by a small durable write. @throws {StoreError} when it cannot */
  check(): Promise<void>;
  /** Connections to the database; undefined where there are none. */
  connections(): StoreConnections | undefined;

  close(): Promise<void>;
}

/** The store failed: it is full, locked or broken. Nothing of the operation was stored. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** True: the store cannot hold the data it was given, so that the same operation fails at every repetition. */
  readonly isLasting: boolean;

  constructor(
    message: string,
    { isLasting = false, ...options }: ErrorOptions & { readonly isLasting?: boolean } = {},
  ) {
    super(message, options);
    this.isLasting = isLasting;
  }
}
