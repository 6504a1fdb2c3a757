import { AUDIT_IN_FULL, AUDIT_OF_TPPS_BY_AGE } from './audit.ts';
import { ENDING_WAITS_SCHEMA } from './ending-waits.ts';
import { ACTIVITY_SCHEMA } from './migration-activity.ts';
import { KEYS_SCHEMA } from './migration-keys.ts';
import { SEARCH_SCHEMA } from './migration-search.ts';
import { WITHDRAWING_SCHEMA } from './withdrawing.ts';

/** One step of the schema. */
export interface Migration {
  /** The schema after the step: one more than the step before. */
  readonly version: number;
  readonly name: string;
  /**
   * The oldest schema that a program may know and still run on this one. A step that only adds (a table, an index, a
   * column that is nullable or has a default) leaves it as it was. What the running version reads or writes is taken
   * away at the earliest one release after the last version that does so, in a step that raises this: first widen,
   * then move the programs, then narrow.
   */
  readonly oldestCompatible: number;
  readonly sql: string;
}

/** Partitions of `history` are named by their day in UTC; what belongs to none of them is in `history_other`. */
export const HISTORY_OTHER = 'history_other';

/**
 * The tables, as steps; a step is never changed once released. Everything is in the schema that the connection comes to
 * by itself (as a rule `public`) of a database that is Tidings' own.
 *
 * What is awaiting, and nothing else, is in `notification`, which stays small and is vacuumed often. Whatever ends a
 * notification moves its row to `history`, partitioned by the day of that, so that a partition holds nothing but what may
 * be dropped as a whole. Attempts and reported errors go with their row: no table of their own has to be kept in step.
 * Text compares by its bytes ("C"), as in the other store.
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'first schema',
    oldestCompatible: 1,
    sql: `
  CREATE TABLE tpp (
    client_id             text COLLATE "C" PRIMARY KEY,
    organisation_id       text NOT NULL,
    software_statement_id text NOT NULL,
    jwks                  text NOT NULL,
    jwks_url              text,
    certificate_subject   text,
    scopes                text,
    is_suspended          boolean NOT NULL,
    retry                 text
  );

  CREATE TABLE event_subscription (
    client_id             text COLLATE "C" PRIMARY KEY,
    event_subscription_id text COLLATE "C" NOT NULL UNIQUE,
    api_version           text NOT NULL,
    version               text NOT NULL,
    callback_url          text,
    event_types           text
  );

  CREATE TABLE callback_url (
    client_id       text COLLATE "C" PRIMARY KEY,
    callback_url_id text COLLATE "C" NOT NULL UNIQUE,
    api_version     text NOT NULL,
    version         text NOT NULL,
    url             text NOT NULL
  );

  -- Where the notifications of a TPP go now, and how that has fared. callback_url: NULL where nothing is pushed, because
  -- it only polls, is suspended, or has no registration. revision changes with whatever others must hear of.
  CREATE SEQUENCE target_revision;
  CREATE TABLE target (
    client_id             text COLLATE "C" PRIMARY KEY,
    callback_url          text,
    round                 integer NOT NULL DEFAULT 0,
    unresponsive_since_ms bigint,
    probe_at_ms           bigint,
    probes                integer NOT NULL DEFAULT 0,
    back_at_ms            bigint,
    claimed_since_back    integer NOT NULL DEFAULT 0,
    revision              bigint NOT NULL DEFAULT nextval('target_revision')
  ) WITH (fillfactor = 50);
  CREATE INDEX target_unresponsive ON target (client_id) WHERE unresponsive_since_ms IS NOT NULL;

  -- Makes publishing idempotent: what became of an event. Without its content, which its notification holds.
  CREATE TABLE event (
    event_id        text COLLATE "C" PRIMARY KEY,
    fingerprint     bytea NOT NULL,
    published_at_ms bigint NOT NULL,
    jti             text COLLATE "C",
    none_reason     text,
    CHECK ((jti IS NULL) <> (none_reason IS NULL))
  );
  CREATE INDEX event_published ON event (published_at_ms);

  -- What is awaiting. due_at_ms: when the next attempt is due, if there is somewhere to push it; while it is leased, when
  -- the lease runs out. round_attempts and round_began_at_ms count only while round is that of the target. offer_at_ms:
  -- until when a notification that was offered in a poll is not offered again.
  CREATE SEQUENCE notification_seq;
  CREATE TABLE notification (
    jti               text COLLATE "C" PRIMARY KEY,
    seq               bigint NOT NULL DEFAULT nextval('notification_seq'),
    client_id         text COLLATE "C" NOT NULL,
    event_id          text NOT NULL,
    published_at_ms   bigint NOT NULL,
    due_at_ms         bigint NOT NULL,
    offer_at_ms       bigint,
    round_began_at_ms bigint,
    lease_token       integer NOT NULL DEFAULT 0,
    attempts          integer NOT NULL DEFAULT 0,
    round             integer NOT NULL DEFAULT 0,
    round_attempts    integer NOT NULL DEFAULT 0,
    is_leased         boolean NOT NULL DEFAULT false,
    is_retry          boolean NOT NULL DEFAULT false,
    claims            text NOT NULL,
    set_jws           text,
    attempt_log       text[],
    error_log         text[]
  ) WITH (fillfactor = 40, toast_tuple_target = 8160, autovacuum_vacuum_threshold = 5000,
      autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
  -- A SET is random bytes: to compress it costs time and gains nothing.
  ALTER TABLE notification ALTER COLUMN claims SET STORAGE EXTERNAL, ALTER COLUMN set_jws SET STORAGE EXTERNAL;
  CREATE INDEX notification_claim ON notification (client_id, is_retry, due_at_ms, seq);
  CREATE INDEX notification_offerable ON notification (client_id, published_at_ms, seq) WHERE offer_at_ms IS NULL;
  CREATE INDEX notification_withheld ON notification (client_id, offer_at_ms) WHERE offer_at_ms IS NOT NULL;

  CREATE TABLE history (
    ended_at_ms       bigint NOT NULL,
    jti               text COLLATE "C" NOT NULL,
    seq               bigint NOT NULL,
    client_id         text COLLATE "C" NOT NULL,
    event_id          text NOT NULL,
    state             text NOT NULL CHECK (state IN ('acknowledged', 'withdrawn', 'expired')),
    acknowledged_by   text CHECK (acknowledged_by IN ('push', 'poll', 'offer')),
    published_at_ms   bigint NOT NULL,
    lease_token       integer NOT NULL,
    attempts          integer NOT NULL,
    claims            text NOT NULL,
    set_jws           text,
    attempt_log       text[],
    error_log         text[]
  ) PARTITION BY RANGE (ended_at_ms);
  CREATE INDEX history_jti ON history (jti);
  CREATE INDEX history_client ON history (client_id, published_at_ms, seq);
  CREATE TABLE ${HISTORY_OTHER} PARTITION OF history DEFAULT WITH (toast_tuple_target = 8160);
  ALTER TABLE ${HISTORY_OTHER} ALTER COLUMN claims SET STORAGE EXTERNAL, ALTER COLUMN set_jws SET STORAGE EXTERNAL;

  CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL
  );

  CREATE TABLE signing_key (
    kid           text COLLATE "C" PRIMARY KEY,
    public_jwk    text NOT NULL,
    retired_at_ms bigint
  );
`,
  },
  {
    version: 2,
    name: 'trace context of what is awaiting',
    oldestCompatible: 1,
    sql: 'ALTER TABLE notification ADD COLUMN trace text',
  },
  {
    version: 3,
    name: 'activity and statistics',
    oldestCompatible: 1,
    sql: ACTIVITY_SCHEMA,
  },
  { version: 4, name: 'audit in full, only added to', oldestCompatible: 1, sql: AUDIT_IN_FULL },
  {
    version: 5,
    name: 'announced and withdrawn signing keys, last attempts of each TPP',
    oldestCompatible: 1,
    sql: KEYS_SCHEMA,
  },
  { version: 6, name: 'searching', oldestCompatible: 1, sql: SEARCH_SCHEMA },
  {
    version: 7,
    name: 'lists of revoked keys of TPPs',
    oldestCompatible: 1,
    sql: 'ALTER TABLE tpp ADD COLUMN revoked_jwks_url text',
  },
  { version: 8, name: 'audit of TPPs dropped by age', oldestCompatible: 1, sql: AUDIT_OF_TPPS_BY_AGE },
  { version: 9, name: 'backlogs that are being withdrawn', oldestCompatible: 1, sql: WITHDRAWING_SCHEMA },
  { version: 10, name: 'waits that are being ended', oldestCompatible: 1, sql: ENDING_WAITS_SCHEMA },
  {
    version: 11,
    name: 'what is leased, by TPP',
    oldestCompatible: 1,
    // So that to fence it costs the same whatever is awaiting beside it.
    sql: 'CREATE INDEX notification_leased ON notification (client_id) WHERE is_leased',
  },
];
