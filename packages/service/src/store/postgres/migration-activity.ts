/**
 * The activity log and statistics. `entries` and `tally` are JSON as text. Of the statistics, an empty client_id stands for
 * all TPPs together; part tells whose count it is. A count is written over many times, so its page leaves room for that.
 */
export const ACTIVITY_SCHEMA = `
  CREATE TABLE activity (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms    bigint NOT NULL,
    instance text NOT NULL,
    entries  text NOT NULL
  ) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);
  CREATE INDEX activity_at ON activity (at_ms, id);

  CREATE TABLE statistics (
    client_id   text COLLATE "C" NOT NULL,
    resolution  text COLLATE "C" NOT NULL CHECK (resolution IN ('minute', 'hour')),
    began_at_ms bigint NOT NULL,
    part        text COLLATE "C" NOT NULL,
    tally       text NOT NULL,
    PRIMARY KEY (client_id, resolution, began_at_ms, part)
  ) WITH (fillfactor = 50);
  CREATE INDEX statistics_age ON statistics (resolution, began_at_ms);
`;
