import type { SetErrorReport } from '@tidings/protocol';
import type { HealthTurn } from '../model/attempt-health.ts';
import type { BankEvent } from '../model/event.ts';
import type { IntakeCounts } from '../model/intake.ts';
import type { AcknowledgedInPoll, AttemptRecord, PublishResult, RecordResult } from '../store/delivery.ts';

/** An occurrence in this process, reported after it was committed. */
export type Occurrence =
  | {
      readonly kind: 'published';
      readonly atMs: number;
      readonly events: readonly BankEvent[];
      readonly result: PublishResult;
      /** From the call until the commit. */
      readonly durationMs: number;
    }
  | { readonly kind: 'publishing-failed'; readonly atMs: number; readonly events: readonly BankEvent[] }
  | {
      /** An intake took records; its events are reported as `published` too. */
      readonly kind: 'taken';
      readonly atMs: number;
      readonly source: 'kafka';
      readonly counts: IntakeCounts;
    }
  | {
      /** An attempt was made and recorded. */
      readonly kind: 'attempted';
      readonly atMs: number;
      readonly record: AttemptRecord;
      readonly result: RecordResult;
    }
  | {
      /** A poll was answered by the store. */
      readonly kind: 'polled';
      readonly atMs: number;
      readonly clientId: string;
      /** Notifications that were awaiting until this poll. */
      readonly acknowledged: readonly AcknowledgedInPoll[];
      /** Of notifications of this TPP; others are not kept. */
      readonly errors: readonly SetErrorReport[];
      readonly offered: number;
    }
  | {
      /** Notifications were claimed whose leases had run out: their holder was too slow, or is gone. */
      readonly kind: 'taken-over';
      readonly atMs: number;
      readonly count: number;
    }
  | {
      /** A signature was made. */
      readonly kind: 'signed';
      readonly atMs: number;
      /** Time in the signing queue. */
      readonly waitedMs: number;
      /** Time of the signature itself, waiting for the thread pool included. */
      readonly durationMs: number;
    }
  | {
      /** The keys of a JWKS URL could not be fetched, or the document is unusable. */
      readonly kind: 'keys-not-fetched';
      readonly atMs: number;
      readonly of: 'tpp' | 'authorisation-server' | 'identity-provider' | 'directory';
    }
  | {
      /** A callback URL began to fail, or does so no longer. */
      readonly kind: 'turned';
      readonly atMs: number;
      readonly turn: HealthTurn;
    }
  | {
      /** The operator declared a callback URL responsive again. */
      readonly kind: 'recovered';
      readonly atMs: number;
      readonly clientId: string;
    }
  | {
      /** Notifications were made due again, withdrawn by the operator, or expired. */
      readonly kind: 'redelivered' | 'withdrawn' | 'expired';
      readonly atMs: number;
      /** Undefined when they belong to more than one TPP. */
      readonly clientId?: string;
      readonly count: number;
    };

/** Observes occurrences: statistics, metrics, the live stream. Called in the midst of the work: it must be quick and not throw. */
export interface Observer {
  record(occurrence: Occurrence): void;
}

/** One observer that passes each occurrence to several. */
export function observers(all: readonly Observer[]): Observer {
  return {
    record: (occurrence) => {
      for (const each of all) each.record(occurrence);
    },
  };
}
