/** A process of the service on a store. */
export interface Instance {
  /** Unique for each process. */
  readonly id: string;
  readonly host: string;
  readonly processId: number;
  /** Version of the service. */
  readonly version: string;
  readonly nodeVersion: string;
  readonly startedAtMs: number;
  /** When it last said that it runs. */
  readonly seenAtMs: number;
}

/** How often an instance says that it runs. */
export const SEEN_EVERY_MS = 10_000;
/** Silence after which an instance is gone: it ended without saying so, or does not reach the store. */
export const GONE_AFTER_MS = 35_000;
/** Instances that are gone are forgotten when another one has been seen for that long. */
export const INSTANCES_KEPT_MS = 86_400_000;
