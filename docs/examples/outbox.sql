-- The outbox of a bank's own database: a row commits with the change that it tells of.
CREATE TABLE tidings_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- As in POST /operator/v1/events, or a CloudEvent.
  event jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- When Tidings had the event on disk.
  published_at timestamptz,
  -- Why Tidings will never accept it.
  refused text
);

CREATE INDEX tidings_outbox_due ON tidings_outbox (id) WHERE published_at IS NULL AND refused IS NULL;

-- The relay needs no more than this.
CREATE ROLE tidings_relay LOGIN;
GRANT SELECT, UPDATE (published_at, refused) ON tidings_outbox TO tidings_relay;
