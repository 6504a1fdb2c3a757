/** How the intake of this instance does. */
export interface IntakeStatus {
  readonly source: 'kafka';
  readonly topic: string;
  readonly group: string;
  /**
   * `reading`: events are published as they come. `waiting`: the store does not answer, or publishing is closed; nothing is
   * read meanwhile. `disconnected`: the source cannot be reached, or it failed and has
   * committed nothing since.
   */
  readonly state: 'reading' | 'waiting' | 'disconnected';
  /** Why it does not read. */
  readonly because: string | undefined;
  /** Records of the partitions of this instance that are not committed yet; undefined: not known. */
  readonly lag: number | undefined;
  /** When it last took a record; undefined: not since it started. */
  readonly takenAtMs: number | undefined;
}

/** Numbers of records by what became of them. */
export interface IntakeCounts {
  /** Published, with or without a notification. */
  readonly published: number;
  /** Had been published before. */
  readonly repeated: number;
  /** Do not meet the conditions of the mapping. */
  readonly passedOver: number;
  /** Can never be accepted. */
  readonly dead: number;
}
