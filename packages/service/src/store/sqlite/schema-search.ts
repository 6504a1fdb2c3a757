/**
 * What searching needs: a small row for each notification that is there, apart from the large ones, with the keys of its
 * transaction id and its resource, and the number of its combination of event types. The newest may have none yet (see
 * `search-index.ts`). The keys of 8,192 notifications lie together: those that are written at the same time are on few pages
 * of the index, however random they are, and a search asks once for each such run. `search_key`, `search_types` and `search_resource` are functions of this program.
 */
export const SCHEMA_SEARCH = `
  CREATE TABLE event_types (
    id   INTEGER PRIMARY KEY,
    urns TEXT NOT NULL UNIQUE
  ) STRICT;
  INSERT INTO event_types (urns) SELECT DISTINCT search_types(claims) FROM event WHERE claims IS NOT NULL;

  CREATE TABLE search (
    seq             INTEGER PRIMARY KEY,
    published_at_ms INTEGER NOT NULL,
    client_id       TEXT NOT NULL,
    types           INTEGER NOT NULL,
    txn_key         INTEGER NOT NULL,
    resource_key    INTEGER NOT NULL
  ) STRICT;
  INSERT INTO search
    SELECT seq, published_at_ms, client_id, (SELECT id FROM event_types WHERE urns = search_types(claims)),
      search_key(claims ->> 'txn'), search_key(search_resource(claims))
    FROM event WHERE claims IS NOT NULL ORDER BY seq;
  CREATE INDEX search_by_txn ON search (seq >> 13, txn_key, published_at_ms);
  CREATE INDEX search_by_resource ON search (seq >> 13, resource_key, published_at_ms);
  CREATE INDEX search_by_client ON search (client_id, published_at_ms);
  CREATE INDEX search_by_types ON search (types, published_at_ms);

  -- has_failed: an attempt failed, or the TPP reported an error. is_indexed: it is in search too.
  ALTER TABLE awaiting ADD COLUMN has_failed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE awaiting ADD COLUMN is_indexed INTEGER NOT NULL DEFAULT 0;
  UPDATE awaiting SET is_indexed = 1, has_failed =
    EXISTS (SELECT 1 FROM reported_error AS e WHERE e.seq = awaiting.seq)
    OR EXISTS (SELECT 1 FROM attempt AS a WHERE a.seq = awaiting.seq AND a.outcome ->> 'kind' <> 'acknowledged');
  CREATE INDEX awaiting_by_client ON awaiting (client_id, published_at_ms) WHERE is_indexed = 1;
  CREATE INDEX awaiting_failed ON awaiting (published_at_ms) WHERE has_failed = 1;
  CREATE INDEX awaiting_failed_by_client ON awaiting (client_id, published_at_ms) WHERE has_failed = 1;

  -- Nearly all are acknowledged; the others are found by themselves.
  CREATE INDEX settled_otherwise ON settled (state, published_at_ms) WHERE state <> 'acknowledged';
  CREATE INDEX settled_otherwise_by_client ON settled (client_id, state, published_at_ms)
    WHERE state <> 'acknowledged';
`;
