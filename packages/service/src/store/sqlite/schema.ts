import { AUDIT_IN_FULL, AUDIT_OF_TPPS_BY_AGE } from './audit.ts';
import { SCHEMA_3 } from './schema-3.ts';
import { SCHEMA_ACTIVITY } from './schema-activity.ts';
import { SCHEMA_KEYS } from './schema-keys.ts';
import { SCHEMA_SEARCH } from './schema-search.ts';

/**
 * The tables, as steps: the n-th brings a store from schema n-1 to n, and is never changed once released. Small hot
 * table, append-only history: what has an attempt due is what the partial indexes hold; the rest is history.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE tpp (
    client_id             TEXT PRIMARY KEY,
    organisation_id       TEXT NOT NULL,
    software_statement_id TEXT NOT NULL,
    jwks                  TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE event_subscription (
    client_id             TEXT PRIMARY KEY,
    event_subscription_id TEXT NOT NULL UNIQUE,
    api_version           TEXT NOT NULL,
    version               TEXT NOT NULL,
    callback_url          TEXT,
    event_types           TEXT,
    unresponsive_since_ms INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE event (
    event_id       TEXT PRIMARY KEY,
    fingerprint    TEXT NOT NULL,
    client_id      TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    content        TEXT NOT NULL,
    jti            TEXT,
    none_reason    TEXT,
    CHECK ((jti IS NULL) <> (none_reason IS NULL))
  ) STRICT, WITHOUT ROWID;

  -- due_at_ms: when the next attempt is due; while a dispatcher holds a lease, when that runs out; NULL when none is
  -- due: acknowledged, withdrawn, ceased, or only polled for.
  CREATE TABLE notification (
    seq               INTEGER PRIMARY KEY,
    jti               TEXT NOT NULL UNIQUE,
    event_id          TEXT NOT NULL,
    client_id         TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('awaiting', 'acknowledged', 'withdrawn')),
    claims            TEXT NOT NULL,
    set_jws           TEXT,
    published_at_ms   INTEGER NOT NULL,
    acknowledged_at_ms INTEGER,
    due_at_ms         INTEGER,
    leased            INTEGER NOT NULL DEFAULT 0,
    lease_token       INTEGER NOT NULL DEFAULT 0,
    attempts          INTEGER NOT NULL DEFAULT 0,
    round_attempts    INTEGER NOT NULL DEFAULT 0,
    round_began_at_ms INTEGER
  ) STRICT;
  CREATE INDEX notification_due_of_client ON notification (client_id, due_at_ms, seq) WHERE due_at_ms IS NOT NULL;
  CREATE INDEX notification_awaiting ON notification (client_id, seq) WHERE state = 'awaiting';

  CREATE TABLE attempt (
    seq            INTEGER PRIMARY KEY,
    jti            TEXT NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    duration_ms    INTEGER NOT NULL,
    interaction_id TEXT NOT NULL,
    callback_url   TEXT NOT NULL,
    outcome        TEXT NOT NULL
  ) STRICT;
  CREATE INDEX attempt_of_notification ON attempt (jti, seq);
  `,
  // Callback URLs, aggregated polling, and what a TPP registry needs.
  `
  ALTER TABLE tpp ADD COLUMN jwks_url TEXT;
  ALTER TABLE tpp ADD COLUMN certificate_subject TEXT;
  ALTER TABLE tpp ADD COLUMN scopes TEXT;
  ALTER TABLE tpp ADD COLUMN is_suspended INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE callback_url (
    client_id             TEXT PRIMARY KEY,
    callback_url_id       TEXT NOT NULL UNIQUE,
    api_version           TEXT NOT NULL,
    version               TEXT NOT NULL,
    url                   TEXT NOT NULL,
    unresponsive_since_ms INTEGER
  ) STRICT, WITHOUT ROWID;

  -- offer_at_ms: until when a notification that was offered in a poll is not offered again; NULL when it may be offered.
  ALTER TABLE notification ADD COLUMN offer_at_ms INTEGER;
  ALTER TABLE notification ADD COLUMN acknowledged_by TEXT CHECK (acknowledged_by IN ('push', 'poll', 'offer'));
  UPDATE notification SET acknowledged_by = 'push' WHERE state = 'acknowledged';
  CREATE INDEX notification_offerable ON notification (client_id, seq)
    WHERE state = 'awaiting' AND offer_at_ms IS NULL;
  CREATE INDEX notification_withheld ON notification (client_id, offer_at_ms)
    WHERE state = 'awaiting' AND offer_at_ms IS NOT NULL;

  CREATE TABLE reported_error (
    seq            INTEGER PRIMARY KEY,
    jti            TEXT NOT NULL,
    err            TEXT NOT NULL,
    description    TEXT NOT NULL,
    reported_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX reported_error_of_notification ON reported_error (jti, seq);

  CREATE TABLE signing_key (
    kid           TEXT PRIMARY KEY,
    public_jwk    TEXT NOT NULL,
    retired_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  `,
  // Targets, first attempts before retries, redelivery, retention. What changes often is small and apart from what is
  // written once: `awaiting` is the hot table, and everything else is only added to.
  SCHEMA_3,
  // For the redelivery of one TPP's history. What is awaiting has no such index: each event published would pay for it.
  'CREATE INDEX settled_of_client ON settled (client_id)',
  // What is looked at while it runs, and counted.
  SCHEMA_ACTIVITY,
  // Who changed what, in full, and never taken back.
  AUDIT_IN_FULL,
  // Signing keys that are announced and withdrawn; how callback URLs fared lately.
  SCHEMA_KEYS,
  SCHEMA_SEARCH,
  // Lists of revoked keys of TPPs.
  'ALTER TABLE tpp ADD COLUMN revoked_jwks_url TEXT',
  // Backlogs that are being withdrawn, and since when: all that a TPP had awaiting up to a place in the order of publishing.
  `CREATE TABLE withdrawing (
     client_id TEXT PRIMARY KEY,
     up_to_seq INTEGER NOT NULL,
     at_ms     INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
  // What TPPs changed themselves leaves the audit by age.
  AUDIT_OF_TPPS_BY_AGE,
  // TPPs whose retries are being spared their waits: those that failed before a round.
  `CREATE TABLE ending_waits (
     client_id    TEXT PRIMARY KEY,
     before_round INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
];
