/** Signing keys that are announced before they sign, and withdrawn; the last attempts of each TPP, as JSON. */
export const SCHEMA_KEYS = `
  ALTER TABLE signing_key ADD COLUMN announced_at_ms INTEGER;
  ALTER TABLE signing_key ADD COLUMN used_from_ms INTEGER;
  ALTER TABLE signing_key ADD COLUMN used_until_ms INTEGER;
  ALTER TABLE signing_key ADD COLUMN withdrawn_at_ms INTEGER;

  CREATE TABLE recent_attempts (
    client_id TEXT NOT NULL,
    instance  TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    attempts  TEXT NOT NULL,
    PRIMARY KEY (client_id, instance)
  ) STRICT, WITHOUT ROWID;
  `;
