/** Version of the tables below. */
export const SQLITE_SCHEMA_VERSION = 1;

/** The tables of an inbox in SQLite. `state` is `waiting`, `handled`, `dead` or `discarded`. */
export const SQLITE_SCHEMA = `
CREATE TABLE tidings_inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  issuer TEXT NOT NULL,
  jti TEXT NOT NULL,
  resource TEXT NOT NULL,
  toe INTEGER NOT NULL,
  claims TEXT NOT NULL,
  token TEXT NOT NULL,
  interaction_id TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'handled', 'dead', 'discarded')),
  due_at_ms INTEGER NOT NULL,
  lease TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  settled_at_ms INTEGER
) STRICT;
CREATE INDEX tidings_inbox_due ON tidings_inbox (due_at_ms, id) WHERE state = 'waiting';
CREATE INDEX tidings_inbox_toe ON tidings_inbox (toe, id) WHERE state = 'waiting';
CREATE INDEX tidings_inbox_resource ON tidings_inbox (resource, toe, id);
CREATE INDEX tidings_inbox_dead ON tidings_inbox (id) WHERE state = 'dead';
CREATE INDEX tidings_inbox_settled ON tidings_inbox (settled_at_ms) WHERE state IN ('handled', 'discarded');
`;
