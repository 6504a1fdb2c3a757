/**
 * The steps of the schema: the n-th brings a store from schema n-1 to n, and is never changed: databases have it (a
 * test holds that). The first makes the tables of the first release.
 *
 * Data that changes often is small and apart from data that is written once: `awaiting` is the hot table, and nearly everything else
 * is only added to. `seq` is the order of publishing.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- jwks, certificate_subject, scopes and retry: JSON.
  CREATE TABLE tpp (
    client_id             TEXT PRIMARY KEY,
    organisation_id       TEXT NOT NULL,
    software_statement_id TEXT NOT NULL,
    jwks                  TEXT NOT NULL,
    jwks_url              TEXT,
    revoked_jwks_url      TEXT,
    certificate_subject   TEXT,
    scopes                TEXT,
    is_suspended          INTEGER NOT NULL,
    retry                 TEXT
  ) STRICT, WITHOUT ROWID;

  -- An event subscription supersedes a callback URL of the same TPP. event_types: JSON.
  CREATE TABLE registration (
    client_id    TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('event-subscription', 'callback-url')),
    id           TEXT NOT NULL,
    api_version  TEXT NOT NULL,
    version      TEXT NOT NULL,
    callback_url TEXT,
    event_types  TEXT,
    PRIMARY KEY (client_id, kind),
    UNIQUE (kind, id)
  ) STRICT, WITHOUT ROWID;

  -- The health of the effective callback URL of a TPP; no row: nothing is known yet. failures: attempts that failed since
  -- the last acknowledgement, the first of them at failing_since_ms. last_failure: JSON. While all goes well,
  -- acknowledged_at_ms is written every ten seconds at most.
  CREATE TABLE target (
    client_id             TEXT PRIMARY KEY,
    round                 INTEGER NOT NULL,
    unresponsive_since_ms INTEGER,
    probe_at_ms           INTEGER,
    probes                INTEGER NOT NULL,
    recovered_at_ms       INTEGER,
    claimed_since_recovery INTEGER NOT NULL,
    failing_since_ms      INTEGER,
    failures              INTEGER NOT NULL,
    last_failure          TEXT,
    acknowledged_at_ms    INTEGER,
    CHECK ((failing_since_ms IS NULL) = (failures = 0)),
    CHECK ((unresponsive_since_ms IS NULL) = (probe_at_ms IS NULL))
  ) STRICT, WITHOUT ROWID;

  -- The last attempts of each TPP, as JSON.
  CREATE TABLE recent_attempts (
    client_id TEXT NOT NULL,
    instance  TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    attempts  TEXT NOT NULL,
    PRIMARY KEY (client_id, instance)
  ) STRICT, WITHOUT ROWID;

  -- Backlogs that are being withdrawn, and since when: all that a TPP had awaiting up to a place in the order of publishing.
  CREATE TABLE withdrawing (
    client_id TEXT PRIMARY KEY,
    up_to_seq INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- TPPs whose retry waits are being ended: of notifications that failed before a round.
  CREATE TABLE ending_waits (
    client_id    TEXT PRIMARY KEY,
    before_round INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- An event and what it became: jti and claims of its notification, or why there is none. claims is NULL as well when
  -- the notification was dropped; is_droppable says that no notification needs the event any more. trace: JSON.
  CREATE TABLE event (
    seq             INTEGER PRIMARY KEY,
    event_id        TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    none_reason     TEXT,
    jti             TEXT,
    claims          TEXT,
    trace           TEXT,
    is_droppable    INTEGER NOT NULL,
    CHECK ((jti IS NULL) <> (none_reason IS NULL))
  ) STRICT;
  CREATE UNIQUE INDEX event_by_id ON event (event_id);
  CREATE UNIQUE INDEX event_by_jti ON event (jti) WHERE jti IS NOT NULL;
  CREATE INDEX event_droppable ON event (published_at_ms) WHERE is_droppable = 1;

  -- The SET of a notification, once it is signed.
  CREATE TABLE signed_set (
    seq     INTEGER PRIMARY KEY,
    set_jws TEXT NOT NULL
  ) STRICT;

  -- What is awaiting, and nothing else. due_at_ms: when the next attempt is due, whether or not there is somewhere to send
  -- it. round_attempts and round_began_at_ms count only while round is the one of the target. offer_at_ms: until when a
  -- notification that was offered in a poll is not offered again. has_failed: an attempt failed, or the TPP reported an
  -- error. is_indexed: it is in search too.
  CREATE TABLE awaiting (
    seq               INTEGER PRIMARY KEY,
    client_id         TEXT NOT NULL,
    published_at_ms   INTEGER NOT NULL,
    due_at_ms         INTEGER NOT NULL,
    is_retry          INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    round             INTEGER NOT NULL,
    round_attempts    INTEGER NOT NULL,
    round_began_at_ms INTEGER,
    offer_at_ms       INTEGER,
    has_failed        INTEGER NOT NULL,
    is_indexed        INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX awaiting_due ON awaiting (client_id, is_retry, due_at_ms);
  CREATE INDEX awaiting_offer ON awaiting (client_id, offer_at_ms);
  CREATE INDEX awaiting_by_client ON awaiting (client_id, published_at_ms) WHERE is_indexed = 1;
  CREATE INDEX awaiting_failed ON awaiting (published_at_ms) WHERE has_failed = 1;
  CREATE INDEX awaiting_failed_by_client ON awaiting (client_id, published_at_ms) WHERE has_failed = 1;

  -- What is no longer awaiting, since when and how.
  CREATE TABLE settled (
    seq             INTEGER PRIMARY KEY,
    client_id       TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('acknowledged', 'withdrawn', 'expired')),
    settled_at_ms   INTEGER NOT NULL,
    acknowledged_by TEXT CHECK (acknowledged_by IN ('push', 'poll', 'offer'))
  ) STRICT;
  CREATE INDEX settled_at ON settled (settled_at_ms);
  -- For the redelivery of what one TPP acknowledged. awaiting has no such index: each event published would pay for it.
  CREATE INDEX settled_of_client ON settled (client_id);
  -- Nearly all are acknowledged; the others are found by themselves.
  CREATE INDEX settled_otherwise ON settled (state, published_at_ms) WHERE state <> 'acknowledged';
  CREATE INDEX settled_otherwise_by_client ON settled (client_id, state, published_at_ms)
    WHERE state <> 'acknowledged';

  -- Beside each other lie the attempts of one notification, and those of notifications that were published together.
  CREATE TABLE attempt (
    seq            INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    duration_ms    INTEGER NOT NULL,
    interaction_id TEXT NOT NULL,
    callback_url   TEXT NOT NULL,
    outcome        TEXT NOT NULL,
    PRIMARY KEY (seq, number)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE reported_error (
    seq            INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    err            TEXT NOT NULL,
    description    TEXT NOT NULL,
    reported_at_ms INTEGER NOT NULL,
    PRIMARY KEY (seq, number)
  ) STRICT, WITHOUT ROWID;

  -- What is kept of a notification whose content was erased. record: JSON.
  CREATE TABLE erased (
    jti           TEXT PRIMARY KEY,
    client_id     TEXT NOT NULL,
    settled_at_ms INTEGER NOT NULL,
    erased_at_ms  INTEGER NOT NULL,
    record        TEXT NOT NULL
  ) STRICT;
  CREATE INDEX erased_of_client ON erased (client_id, jti);
  CREATE INDEX erased_settled ON erased (settled_at_ms);

  CREATE TABLE event_types (
    id   INTEGER PRIMARY KEY,
    urns TEXT NOT NULL UNIQUE
  ) STRICT;

  -- A small row for each notification that is there, apart from the large ones, with the keys of its transaction id and its
  -- resource, and the number of its combination of event types. The newest may have none yet (see search-index.ts). The keys
  -- of 8,192 notifications lie together: those that are written at the same time are on few pages of the index, however
  -- random they are, and a search asks once for each such run.
  CREATE TABLE search (
    seq             INTEGER PRIMARY KEY,
    published_at_ms INTEGER NOT NULL,
    client_id       TEXT NOT NULL,
    types           INTEGER NOT NULL,
    txn_key         INTEGER NOT NULL,
    resource_key    INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX search_by_txn ON search (seq >> 13, txn_key, published_at_ms);
  CREATE INDEX search_by_resource ON search (seq >> 13, resource_key, published_at_ms);
  CREATE INDEX search_by_client ON search (client_id, published_at_ms);
  CREATE INDEX search_by_types ON search (types, published_at_ms);

  CREATE TABLE signing_key (
    kid             TEXT PRIMARY KEY,
    public_jwk      TEXT NOT NULL,
    announced_at_ms INTEGER,
    used_from_ms    INTEGER,
    used_until_ms   INTEGER,
    retired_at_ms   INTEGER,
    withdrawn_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;

  -- detail, was and became: JSON. Entries are never changed. Those of TPPs may be dropped once they are 30 days old.
  CREATE TABLE audit (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms            INTEGER NOT NULL,
    actor            TEXT NOT NULL,
    role             TEXT,
    authenticated_by TEXT,
    remote_address   TEXT,
    action           TEXT NOT NULL,
    subject          TEXT NOT NULL,
    detail           TEXT NOT NULL,
    was              TEXT,
    became           TEXT
  ) STRICT;
  CREATE INDEX audit_of_actor ON audit (actor, id);
  CREATE INDEX audit_of_action ON audit (action, id);
  CREATE INDEX audit_of_subject ON audit (subject, id);
  CREATE INDEX audit_at ON audit (at_ms);
  CREATE INDEX audit_of_tpps ON audit (at_ms) WHERE authenticated_by = 'access-token';
  CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
  CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    WHEN OLD.authenticated_by IS NOT 'access-token' OR OLD.at_ms > unixepoch('now') * 1000 - 2592000000
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
  -- INSERT OR REPLACE deletes past the trigger above.
  CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;

  -- The activity log. entries: JSON.
  CREATE TABLE activity (
    id       INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    instance TEXT NOT NULL,
    entries  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX activity_at ON activity (at_ms);

  -- tally: JSON. An empty client_id stands for all TPPs together; part tells whose count it is, so that counts of the same
  -- time are added up when they are read.
  CREATE TABLE statistics (
    client_id   TEXT NOT NULL,
    resolution  TEXT NOT NULL CHECK (resolution IN ('minute', 'hour')),
    began_at_ms INTEGER NOT NULL,
    part        TEXT NOT NULL,
    tally       TEXT NOT NULL,
    PRIMARY KEY (client_id, resolution, began_at_ms, part)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX statistics_age ON statistics (resolution, began_at_ms);

  -- Alerts: what holds or held, and the messages about it. alert_key says what it is about; facts: JSON.
  CREATE TABLE alert (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_key     TEXT NOT NULL,
    kind          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    since_ms      INTEGER NOT NULL,
    why           TEXT NOT NULL,
    facts         TEXT NOT NULL,
    raised_at_ms  INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL,
    cleared_at_ms INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX alert_open ON alert (alert_key) WHERE cleared_at_ms IS NULL;
  CREATE INDEX alert_cleared ON alert (cleared_at_ms) WHERE cleared_at_ms IS NOT NULL;

  -- due_at_ms: when it may be attempted next; NULL: it was sent, or is given up. sending_id: messages that were sent together.
  CREATE TABLE alert_message (
    alert_id     INTEGER NOT NULL,
    destination  TEXT NOT NULL,
    message_kind TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at_ms    INTEGER,
    sent_at_ms   INTEGER,
    sending_id   TEXT,
    error        TEXT,
    PRIMARY KEY (alert_id, destination, message_kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alert_message_due ON alert_message (destination, due_at_ms) WHERE due_at_ms IS NOT NULL;
  CREATE INDEX alert_message_sent ON alert_message (destination, sent_at_ms) WHERE sent_at_ms IS NOT NULL;

  -- Which instance examines what concerns all of them.
  CREATE TABLE alert_lease (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    holder   TEXT NOT NULL,
    until_ms INTEGER NOT NULL
  ) STRICT;

  -- The processes of the service. One that ended without saying so stays until another has been seen for a day.
  CREATE TABLE instance (
    id            TEXT PRIMARY KEY,
    host          TEXT NOT NULL,
    process_id    INTEGER NOT NULL,
    version       TEXT NOT NULL,
    node_version  TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    seen_at_ms    INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- How often the store was opened: claims of earlier processes are told apart from ours.
  CREATE TABLE opening (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
  ) STRICT;
  INSERT INTO opening VALUES (1, 0);
  `,
];
