/** Signing keys that are announced before they sign, and withdrawn; the last attempts of each TPP. */
export const KEYS_SCHEMA = `
  ALTER TABLE signing_key ADD COLUMN announced_at_ms bigint, ADD COLUMN used_from_ms bigint,
    ADD COLUMN used_until_ms bigint, ADD COLUMN withdrawn_at_ms bigint;

  -- attempts: JSON. One row for each process; those of processes that are gone are dropped when another one writes.
  CREATE TABLE recent_attempts (
    client_id text COLLATE "C" NOT NULL,
    instance  text COLLATE "C" NOT NULL,
    at_ms     bigint NOT NULL,
    attempts  text NOT NULL,
    PRIMARY KEY (client_id, instance)
  ) WITH (fillfactor = 50);
`;
