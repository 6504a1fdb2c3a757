/** Version of the tables below. */
export const POSTGRES_SCHEMA_VERSION = 1;

/** The tables of an inbox in PostgreSQL. `state` is `waiting`, `handled`, `dead` or `discarded`. */
export const POSTGRES_SCHEMA = `
CREATE TABLE tidings_inbox (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  key text NOT NULL UNIQUE,
  issuer text NOT NULL,
  jti text NOT NULL,
  resource text NOT NULL,
  toe bigint NOT NULL,
  claims text NOT NULL,
  token text NOT NULL,
  interaction_id text NOT NULL,
  received_at_ms bigint NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'handled', 'dead', 'discarded')),
  due_at_ms bigint NOT NULL,
  lease text,
  attempts integer NOT NULL DEFAULT 0,
  reason text,
  settled_at_ms bigint
);
CREATE INDEX tidings_inbox_due ON tidings_inbox (due_at_ms, id) WHERE state = 'waiting';
CREATE INDEX tidings_inbox_toe ON tidings_inbox (toe, id) WHERE state = 'waiting';
CREATE INDEX tidings_inbox_resource ON tidings_inbox (resource, toe, id);
CREATE INDEX tidings_inbox_dead ON tidings_inbox (id) WHERE state = 'dead';
CREATE INDEX tidings_inbox_settled ON tidings_inbox (settled_at_ms) WHERE state IN ('handled', 'discarded');
`;
