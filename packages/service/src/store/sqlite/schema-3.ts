/**
 * Brings a store of schema 2, the first that was released with polling, to schema 3. `seq` is the order of publishing and
 * stays what it was. Leases are not kept: the store is one process's, and what it had claimed is due when it is gone.
 */
export const SCHEMA_3 = `
  ALTER TABLE tpp ADD COLUMN retry TEXT;

  ALTER TABLE event RENAME TO old_event;
  ALTER TABLE notification RENAME TO old_notification;
  ALTER TABLE attempt RENAME TO old_attempt;
  ALTER TABLE reported_error RENAME TO old_error;

  -- An event and what it became: jti and claims of its notification, or why there is none. claims is NULL as well when
  -- the notification was dropped; is_droppable says that no notification needs the event any more.
  CREATE TABLE event (
    seq             INTEGER PRIMARY KEY,
    event_id        TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    content         TEXT NOT NULL,
    none_reason     TEXT,
    jti             TEXT,
    claims          TEXT,
    is_droppable    INTEGER NOT NULL,
    CHECK ((jti IS NULL) <> (none_reason IS NULL))
  ) STRICT;

  -- The SET of a notification, once it is signed.
  CREATE TABLE signed_set (
    seq     INTEGER PRIMARY KEY,
    set_jws TEXT NOT NULL
  ) STRICT;

  -- What is awaiting, and nothing else. due_at_ms: when the next attempt is due, whether or not there is somewhere to send
  -- it. round_attempts and round_began_at_ms count only while round is the one of the target. offer_at_ms: until when a
  -- notification that was offered in a poll is not offered again.
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
    offer_at_ms       INTEGER
  ) STRICT;

  -- What is no longer awaiting, since when and how.
  CREATE TABLE settled (
    seq             INTEGER PRIMARY KEY,
    client_id       TEXT NOT NULL,
    published_at_ms INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('acknowledged', 'withdrawn', 'expired')),
    at_ms           INTEGER NOT NULL,
    acknowledged_by TEXT CHECK (acknowledged_by IN ('push', 'poll', 'offer'))
  ) STRICT;

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

  -- How the callback URL that holds for a TPP has fared; no row: nothing is known yet.
  CREATE TABLE target (
    client_id             TEXT PRIMARY KEY,
    round                 INTEGER NOT NULL,
    unresponsive_since_ms INTEGER,
    probe_at_ms           INTEGER,
    probes                INTEGER NOT NULL,
    back_at_ms            INTEGER,
    claimed_since_back    INTEGER NOT NULL,
    CHECK ((unresponsive_since_ms IS NULL) = (probe_at_ms IS NULL))
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
  ) STRICT;

  -- How often the store was opened: claims of a process that is gone are told from ours.
  CREATE TABLE opening (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
  ) STRICT;
  INSERT INTO opening VALUES (1, 0);

  INSERT INTO event
    SELECT n.seq, e.event_id, e.fingerprint, e.client_id, e.published_at_ms, e.content, NULL, n.jti, n.claims, 0
    FROM old_notification AS n CROSS JOIN old_event AS e ON e.event_id = n.event_id ORDER BY n.seq;
  INSERT INTO event (event_id, fingerprint, client_id, published_at_ms, content, none_reason, is_droppable)
    SELECT event_id, fingerprint, client_id, published_at_ms, content, none_reason, 1
    FROM old_event WHERE none_reason IS NOT NULL ORDER BY published_at_ms;
  CREATE UNIQUE INDEX event_by_id ON event (event_id);
  CREATE UNIQUE INDEX event_by_jti ON event (jti) WHERE jti IS NOT NULL;
  CREATE INDEX event_droppable ON event (published_at_ms) WHERE is_droppable = 1;

  INSERT INTO signed_set SELECT seq, set_jws FROM old_notification WHERE set_jws IS NOT NULL ORDER BY seq;

  -- No due_at_ms: attempts had ceased, or nothing was pushed. Both begin anew once there is somewhere to send it.
  INSERT INTO awaiting
    SELECT seq, client_id, published_at_ms, iif(leased = 1, published_at_ms, coalesce(due_at_ms, published_at_ms)),
      due_at_ms IS NOT NULL AND leased = 0 AND round_attempts > 0, attempts, 0,
      iif(due_at_ms IS NULL, 0, round_attempts), iif(due_at_ms IS NULL, NULL, round_began_at_ms), offer_at_ms
    FROM old_notification WHERE state = 'awaiting' ORDER BY seq;
  CREATE INDEX awaiting_due ON awaiting (client_id, is_retry, due_at_ms);
  CREATE INDEX awaiting_offer ON awaiting (client_id, offer_at_ms);

  -- When something was withdrawn was not kept: no earlier than all that is known.
  INSERT INTO settled
    SELECT seq, client_id, published_at_ms, state,
      coalesce(acknowledged_at_ms, (SELECT max(published_at_ms) FROM old_notification)), acknowledged_by
    FROM old_notification WHERE state <> 'awaiting' ORDER BY seq;
  CREATE INDEX settled_at ON settled (at_ms);

  INSERT INTO attempt
    SELECT n.seq, row_number() OVER (PARTITION BY n.seq ORDER BY a.seq), a.started_at_ms, a.duration_ms,
      a.interaction_id, a.callback_url, a.outcome
    FROM old_notification AS n JOIN old_attempt AS a ON a.jti = n.jti;
  INSERT INTO reported_error
    SELECT n.seq, row_number() OVER (PARTITION BY n.seq ORDER BY e.seq), e.err, e.description, e.reported_at_ms
    FROM old_notification AS n JOIN old_error AS e ON e.jti = n.jti;

  -- What is unresponsive may be probed at once.
  INSERT INTO target
    SELECT client_id, 0, unresponsive_since_ms, unresponsive_since_ms, 0, NULL, 0
    FROM event_subscription WHERE unresponsive_since_ms IS NOT NULL;
  INSERT INTO target
    SELECT client_id, 0, unresponsive_since_ms, unresponsive_since_ms, 0, NULL, 0
    FROM callback_url WHERE unresponsive_since_ms IS NOT NULL
      AND client_id NOT IN (SELECT client_id FROM event_subscription);
  ALTER TABLE event_subscription DROP COLUMN unresponsive_since_ms;
  ALTER TABLE callback_url DROP COLUMN unresponsive_since_ms;

  DROP TABLE old_error;
  DROP TABLE old_attempt;
  DROP TABLE old_notification;
  DROP TABLE old_event;
`;
