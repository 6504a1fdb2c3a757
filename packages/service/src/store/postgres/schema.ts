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

/** Partitions are named by their day in UTC; what belongs to none of them is in these. */
export const SETTLED_OTHER = 'settled_other';
export const CONTENT_OTHER = 'content_other';

/**
 * The steps of the schema; a step is never changed: databases have it (a test holds that). The first makes the tables of the first release.
 * Everything is in the schema that the connection comes to by itself (as a rule `public`) of a database that is Tidings'
 * own.
 *
 * What never changes about a notification, most of its bytes, is written once, in `content`, partitioned by the day of
 * publishing. Awaiting notifications, and nothing else, are in `notification`, which stays small and is vacuumed often.
 * Whatever ends a notification moves its row to `settled`, partitioned by the day of that, so that a partition holds
 * nothing but what may be dropped as a whole. Attempts and reported errors go with their row: no table of their own has to
 * be kept in step. Text compares by its bytes ("C"), as in the other store.
 *
 * Where two indexes could give the same order, one has its times negated: for what is asked in the order of time by its
 * TPP, its type or its state the planner could otherwise take one by time alone, and read all rows.
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'first schema',
    oldestCompatible: 1,
    sql: `
  -- jwks, certificate_subject, scopes and retry: JSON.
  CREATE TABLE tpp (
    client_id             text COLLATE "C" PRIMARY KEY,
    organisation_id       text NOT NULL,
    software_statement_id text NOT NULL,
    jwks                  text NOT NULL,
    jwks_url              text,
    revoked_jwks_url      text,
    certificate_subject   text,
    scopes                text,
    is_suspended          boolean NOT NULL,
    retry                 text
  );

  -- An event subscription supersedes a callback URL of the same TPP. event_types: JSON.
  CREATE TABLE registration (
    client_id    text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('event-subscription', 'callback-url')),
    id           text COLLATE "C" NOT NULL,
    api_version  text NOT NULL,
    version      text NOT NULL,
    callback_url text,
    event_types  text,
    PRIMARY KEY (client_id, kind),
    UNIQUE (kind, id)
  );

  -- Where the notifications of a TPP go now, and the health of that callback URL. callback_url: NULL where nothing is pushed, because
  -- it only polls, is suspended, or has no registration. revision changes with whatever others must hear of. failures:
  -- attempts that failed since the last acknowledgement, the first of them at failing_since_ms. last_failure: JSON. While
  -- all goes well, acknowledged_at_ms is written every ten seconds at most.
  CREATE SEQUENCE target_revision;
  CREATE TABLE target (
    client_id             text COLLATE "C" PRIMARY KEY,
    callback_url          text,
    round                 integer NOT NULL DEFAULT 0,
    unresponsive_since_ms bigint,
    probe_at_ms           bigint,
    probes                integer NOT NULL DEFAULT 0,
    recovered_at_ms       bigint,
    claimed_since_recovery integer NOT NULL DEFAULT 0,
    failing_since_ms      bigint,
    failures              integer NOT NULL DEFAULT 0,
    last_failure          text,
    acknowledged_at_ms    bigint,
    revision              bigint NOT NULL DEFAULT nextval('target_revision'),
    CHECK ((failing_since_ms IS NULL) = (failures = 0))
  ) WITH (fillfactor = 50);
  CREATE INDEX target_troubled ON target (client_id) WHERE unresponsive_since_ms IS NOT NULL OR failing_since_ms IS NOT NULL;

  -- The last attempts of each TPP, as JSON. One row for each process; those of processes that have ended are dropped when
  -- another one writes.
  CREATE TABLE recent_attempts (
    client_id text COLLATE "C" NOT NULL,
    instance  text COLLATE "C" NOT NULL,
    at_ms     bigint NOT NULL,
    attempts  text NOT NULL,
    PRIMARY KEY (client_id, instance)
  ) WITH (fillfactor = 50);

  -- Backlogs that are being withdrawn, and since when: all that a TPP had awaiting up to a place in the order of publishing.
  CREATE TABLE withdrawing (
    client_id text COLLATE "C" PRIMARY KEY,
    up_to_seq bigint NOT NULL,
    at_ms     bigint NOT NULL
  );

  -- TPPs whose retry waits are being ended: of notifications that failed before a round.
  CREATE TABLE ending_waits (
    client_id    text COLLATE "C" PRIMARY KEY,
    before_round integer NOT NULL
  );

  CREATE TABLE event_types (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    urns text COLLATE "C" NOT NULL UNIQUE
  );

  -- Makes publishing idempotent: what became of an event. Without its content, which its notification holds. An event with
  -- a notification has that one's place in the order of publishing, the keys of its transaction id and its resource, and
  -- the number of its combination of event types.
  CREATE TABLE event (
    event_id        text COLLATE "C" PRIMARY KEY,
    fingerprint     bytea NOT NULL,
    published_at_ms bigint NOT NULL,
    seq             bigint,
    types           integer,
    txn_key         integer,
    resource_key    integer,
    jti             text COLLATE "C",
    none_reason     text,
    CHECK ((jti IS NULL) <> (none_reason IS NULL))
  );
  CREATE INDEX event_published ON event (published_at_ms);
  CREATE INDEX event_txn ON event (((published_at_ms / 21600000)::integer), txn_key, (-published_at_ms))
    WHERE txn_key IS NOT NULL;
  CREATE INDEX event_resource ON event (((published_at_ms / 21600000)::integer), resource_key, (-published_at_ms))
    WHERE resource_key IS NOT NULL;
  CREATE INDEX event_of_types ON event (types, (-published_at_ms)) WHERE types IS NOT NULL;

  -- What never changes about a notification. Its row says in content_day where it is: on the day of publishing, unless it
  -- outlived the retention, when it is copied to a newer day so that the old one can be dropped. claims: NULL where the SET
  -- was there from the beginning, since it has them. trace: the trace context of the event.
  CREATE TABLE content (
    day      integer NOT NULL,
    seq      bigint NOT NULL,
    event_id text NOT NULL,
    claims   text,
    set_jws  text,
    trace    text,
    CHECK (claims IS NOT NULL OR set_jws IS NOT NULL)
  ) PARTITION BY RANGE (day);
  CREATE INDEX content_seq ON content (seq);
  -- A SET is random bytes: to compress it costs time and gains nothing.
  ALTER TABLE content ALTER COLUMN claims SET STORAGE EXTERNAL, ALTER COLUMN set_jws SET STORAGE EXTERNAL;
  CREATE TABLE ${CONTENT_OTHER} PARTITION OF content DEFAULT WITH (toast_tuple_target = 8160);
  CREATE FUNCTION claims_of(claims text, set_jws text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT coalesce(claims, convert_from(decode(
      rpad(translate(split_part(set_jws, '.', 2), '-_', '+/'), (length(split_part(set_jws, '.', 2)) + 3) / 4 * 4, '='),
      'base64'), 'UTF8')) $$;

  -- What is awaiting. due_at_ms: when the next attempt is due, if there is somewhere to push it; while it is leased, when
  -- the lease runs out. round_attempts and round_began_at_ms count only while round is that of the target. offer_at_ms:
  -- until when a notification that was offered in a poll is not offered again.
  CREATE SEQUENCE notification_seq;
  CREATE TABLE notification (
    jti               text COLLATE "C" PRIMARY KEY,
    seq               bigint NOT NULL DEFAULT nextval('notification_seq'),
    client_id         text COLLATE "C" NOT NULL,
    published_at_ms   bigint NOT NULL,
    due_at_ms         bigint NOT NULL,
    offer_at_ms       bigint,
    round_began_at_ms bigint,
    content_day       integer NOT NULL,
    lease_token       integer NOT NULL DEFAULT 0,
    attempts          integer NOT NULL DEFAULT 0,
    round             integer NOT NULL DEFAULT 0,
    round_attempts    integer NOT NULL DEFAULT 0,
    is_leased         boolean NOT NULL DEFAULT false,
    is_retry          boolean NOT NULL DEFAULT false,
    attempt_log       text[],
    error_log         text[]
  ) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,
      autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
  CREATE INDEX notification_claim ON notification (client_id, is_retry, due_at_ms, seq);
  CREATE INDEX notification_offerable ON notification (client_id, published_at_ms, seq) WHERE offer_at_ms IS NULL;
  CREATE INDEX notification_withheld ON notification (client_id, offer_at_ms) WHERE offer_at_ms IS NOT NULL;
  CREATE INDEX notification_newest ON notification ((-published_at_ms), (-seq));
  CREATE INDEX notification_withheld_published ON notification (client_id, published_at_ms, seq)
    WHERE offer_at_ms IS NOT NULL;
  CREATE INDEX notification_failed ON notification ((-published_at_ms), (-seq))
    WHERE attempts > 0 OR error_log IS NOT NULL;
  CREATE INDEX notification_failed_client ON notification (client_id, published_at_ms, seq)
    WHERE attempts > 0 OR error_log IS NOT NULL;
  -- To fence the leases of a TPP costs the same whatever else is awaiting.
  CREATE INDEX notification_leased ON notification (client_id) WHERE is_leased;

  CREATE TABLE settled (
    settled_at_ms   bigint NOT NULL,
    seq             bigint NOT NULL,
    published_at_ms bigint NOT NULL,
    content_day     integer NOT NULL,
    lease_token     integer NOT NULL,
    attempts        integer NOT NULL,
    jti             text COLLATE "C" NOT NULL,
    client_id       text COLLATE "C" NOT NULL,
    state           text NOT NULL CHECK (state IN ('acknowledged', 'withdrawn', 'expired')),
    acknowledged_by text CHECK (acknowledged_by IN ('push', 'poll', 'offer')),
    attempt_log     text[],
    error_log       text[]
  ) PARTITION BY RANGE (settled_at_ms);
  CREATE INDEX settled_jti ON settled (jti);
  CREATE INDEX settled_client ON settled (client_id, published_at_ms, seq);
  -- Nearly all are acknowledged; the others are found by themselves.
  CREATE INDEX settled_otherwise ON settled (state, published_at_ms, seq) WHERE state <> 'acknowledged';
  CREATE INDEX settled_otherwise_client ON settled (client_id, state, (-published_at_ms), (-seq))
    WHERE state <> 'acknowledged';
  -- Those that outlive the day of their content.
  CREATE INDEX settled_apart ON settled (content_day) WHERE content_day <> settled_at_ms / 86400000;
  CREATE TABLE ${SETTLED_OTHER} PARTITION OF settled DEFAULT WITH (toast_tuple_target = 8160);

  -- What is kept of a notification whose content was erased. record: JSON.
  CREATE TABLE erased (
    jti           text COLLATE "C" PRIMARY KEY,
    client_id     text COLLATE "C" NOT NULL,
    settled_at_ms bigint NOT NULL,
    erased_at_ms  bigint NOT NULL,
    record        text NOT NULL
  );
  CREATE INDEX erased_of_client ON erased (client_id, jti);
  CREATE INDEX erased_settled ON erased (settled_at_ms);

  CREATE TABLE signing_key (
    kid             text COLLATE "C" PRIMARY KEY,
    public_jwk      text NOT NULL,
    announced_at_ms bigint,
    used_from_ms    bigint,
    used_until_ms   bigint,
    retired_at_ms   bigint,
    withdrawn_at_ms bigint
  );

  -- detail, was and became: JSON. Entries are never changed. Those of TPPs may be dropped once they are 30 days old.
  CREATE TABLE audit (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms            bigint NOT NULL,
    actor            text NOT NULL,
    role             text,
    authenticated_by text,
    remote_address   text,
    action           text NOT NULL,
    subject          text NOT NULL,
    detail           text NOT NULL,
    was              text,
    became           text
  );
  CREATE INDEX audit_of_actor ON audit (actor, id);
  CREATE INDEX audit_of_action ON audit (action, id);
  CREATE INDEX audit_of_subject ON audit (subject, id);
  CREATE INDEX audit_at ON audit (at_ms);
  CREATE INDEX audit_of_tpps ON audit (at_ms, id) WHERE authenticated_by = 'access-token';
  CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$;
  CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
  CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit FOR EACH ROW
    WHEN (OLD.authenticated_by IS DISTINCT FROM 'access-token'
      OR OLD.at_ms > extract(epoch FROM clock_timestamp()) * 1000 - 2592000000)
    EXECUTE FUNCTION refuse_audit_change();

  -- The activity log. entries: JSON.
  CREATE TABLE activity (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms    bigint NOT NULL,
    instance text NOT NULL,
    entries  text NOT NULL
  ) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);
  CREATE INDEX activity_at ON activity (at_ms, id);

  -- tally: JSON. An empty client_id stands for all TPPs together; part tells whose count it is. A count is written over many
  -- times, so its page leaves room for that.
  CREATE TABLE statistics (
    client_id   text COLLATE "C" NOT NULL,
    resolution  text COLLATE "C" NOT NULL CHECK (resolution IN ('minute', 'hour')),
    began_at_ms bigint NOT NULL,
    part        text COLLATE "C" NOT NULL,
    tally       text NOT NULL,
    PRIMARY KEY (client_id, resolution, began_at_ms, part)
  ) WITH (fillfactor = 50);
  CREATE INDEX statistics_age ON statistics (resolution, began_at_ms);

  -- Alerts: what holds or held, and the messages about it. alert_key says what it is about; facts: JSON.
  CREATE TABLE alert (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_key     text COLLATE "C" NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,
    since_ms      bigint NOT NULL,
    why           text NOT NULL,
    facts         text NOT NULL,
    raised_at_ms  bigint NOT NULL,
    seen_at_ms    bigint NOT NULL,
    cleared_at_ms bigint
  ) WITH (fillfactor = 50);
  CREATE UNIQUE INDEX alert_open ON alert (alert_key) WHERE cleared_at_ms IS NULL;
  CREATE INDEX alert_cleared ON alert (cleared_at_ms) WHERE cleared_at_ms IS NOT NULL;

  -- due_at_ms: when it may be attempted next; NULL: it was sent, or is given up. sending_id: messages that were sent together.
  CREATE TABLE alert_message (
    alert_id     bigint NOT NULL,
    destination  text COLLATE "C" NOT NULL,
    message_kind text COLLATE "C" NOT NULL,
    attempts     integer NOT NULL,
    due_at_ms    bigint,
    sent_at_ms   bigint,
    sending_id   text,
    error        text,
    PRIMARY KEY (alert_id, destination, message_kind)
  );
  CREATE INDEX alert_message_due ON alert_message (destination, due_at_ms) WHERE due_at_ms IS NOT NULL;
  CREATE INDEX alert_message_sent ON alert_message (destination, sent_at_ms) WHERE sent_at_ms IS NOT NULL;

  -- Which instance examines what concerns all of them.
  CREATE TABLE alert_lease (
    id       integer PRIMARY KEY CHECK (id = 1),
    holder   text NOT NULL,
    until_ms bigint NOT NULL
  );

  -- The processes of the service. One that ended without saying so stays until another has been seen for a day.
  CREATE TABLE instance (
    id            text COLLATE "C" PRIMARY KEY,
    host          text NOT NULL,
    process_id    bigint NOT NULL,
    version       text NOT NULL,
    node_version  text NOT NULL,
    started_at_ms bigint NOT NULL,
    seen_at_ms    bigint NOT NULL
  ) WITH (fillfactor = 50);
`,
  },
];
