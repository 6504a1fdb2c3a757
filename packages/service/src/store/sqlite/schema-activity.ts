/**
 * The activity log and statistics. `entries` and `tally` are JSON. Of the statistics, an empty client_id stands for all
 * TPPs together; part tells whose count it is, so that counts of the same time are added up when they are read.
 */
export const SCHEMA_ACTIVITY = `
  CREATE TABLE activity (
    id       INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    instance TEXT NOT NULL,
    entries  TEXT NOT NULL
  ) STRICT;
  CREATE INDEX activity_at ON activity (at_ms);

  CREATE TABLE statistics (
    client_id   TEXT NOT NULL,
    resolution  TEXT NOT NULL CHECK (resolution IN ('minute', 'hour')),
    began_at_ms INTEGER NOT NULL,
    part        TEXT NOT NULL,
    tally       TEXT NOT NULL,
    PRIMARY KEY (client_id, resolution, began_at_ms, part)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX statistics_age ON statistics (resolution, began_at_ms);
`;
