/** A record of a source, as it was read. */
export interface IntakeRecord {
  readonly topic: string;
  readonly partition: number;
  /** Position in the partition; only greater ones follow, and some may be missing. */
  readonly offset: bigint;
  /** When it was written, by the clock of whoever did, in milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly key: Uint8Array | undefined;
  /** Undefined: a tombstone. */
  readonly value: Uint8Array | undefined;
  /** In their order; names may stand several times. Undefined: the header is null. */
  readonly headers: readonly (readonly [name: string, value: Uint8Array | undefined])[];
}

/** A record that can never be accepted. */
export interface DeadRecord {
  readonly record: IntakeRecord;
  /** One sentence on what is wrong and how to remedy it. */
  readonly why: string;
  /** The field that is wrong, such as `resource.id`. */
  readonly field?: string | undefined;
}

/**
 * Takes records, in their order within a partition. Whatever it returns is done with: the source writes the dead ones to the
 * dead-letter topic, and then commits the position behind all of them.
 *
 * @throws when it was aborted; then nothing is committed, and all of them are read again
 */
export type TakeRecords = (records: readonly IntakeRecord[]) => Promise<readonly DeadRecord[]>;

/** Whom a source hands records. */
export interface RecordTaker {
  /** Records are read from now on, or would be if there were any. */
  onReading(): void;
  readonly take: TakeRecords;
  /** The last batch is done with: its dead records are written, and its position is committed. */
  onCommitted(): void;
}

/** A source of records, such as a topic of Kafka. A record is read again until it is committed: at least once. */
export interface IntakeSource {
  /**
   * Connects, and reads until it is aborted. One batch of records is taken at a time; the next is not read from the broker
   * before, save for a bounded buffer.
   *
   * @throws when it cannot connect, or the connection is lost; it may be run again
   */
  run(taker: RecordTaker, signal: AbortSignal): Promise<void>;
  /** Records that are not committed yet, of the partitions that this instance reads; undefined while it reads none. */
  lag(): Promise<number | undefined>;
}

/** Settings of a source on Kafka; files are read already. */
export interface KafkaSourceSettings {
  /** Such as `kafka-1.bank.example:9092`. */
  readonly brokers: readonly string[];
  /** PEM; undefined: in clear text. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  readonly sasl:
    | {
        readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'PLAIN';
        readonly user: string;
        readonly password: string;
      }
    | undefined;
  readonly topic: string;
  readonly group: string;
  readonly deadLetterTopic: string;
  /** Most records that are taken at once. */
  readonly recordsMax: number;
  /** Most bytes that are read of a partition at once. */
  readonly fetchBytesMax: number;
  readonly sessionTimeoutMs: number;
}

/** Findings of an examination of a cluster. */
export interface KafkaExamination {
  readonly brokers: number;
  /** Partitions of the topics; undefined: the topic does not exist, or may not be seen. */
  readonly partitions: number | undefined;
  readonly deadLetterPartitions: number | undefined;
  /** The state of the consumer group, such as `stable` or `empty`; undefined: it may not be seen. */
  readonly groupState: string | undefined;
}

/** The exports of the package `@tidings/intake-kafka`. */
export interface KafkaModule {
  /** Makes a source; connects nothing yet. */
  openKafkaSource(settings: KafkaSourceSettings): IntakeSource;
  /** Looks at the cluster; changes nothing. @throws when it cannot be reached, or refuses us */
  examineKafka(settings: KafkaSourceSettings): Promise<KafkaExamination>;
}
