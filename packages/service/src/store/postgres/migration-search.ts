/**
 * What searching needs. An event whose notification is there has that one's place in the order of publishing, the keys of
 * its transaction id and its resource, and the number of its combination of event types. Programs that do not know them
 * leave them out, and what was there before has none: `index-older.ts` fills them in, a few at a time, so that no
 * step has to rewrite a large table while others wait. seq 0: there is no notification any more that it could have.
 *
 * Where two indexes could give the same order, one has its times negated: for what is asked in the order of time by its
 * TPP, its type or its state the planner could otherwise take one by time alone, and look through all there is.
 */
export const SEARCH_SCHEMA = `
  CREATE TABLE event_types (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    urns text COLLATE "C" NOT NULL UNIQUE
  );

  ALTER TABLE event ADD COLUMN seq bigint, ADD COLUMN types integer, ADD COLUMN txn_key integer,
    ADD COLUMN resource_key integer;
  CREATE INDEX event_txn ON event (((published_at_ms / 21600000)::integer), txn_key, (-published_at_ms))
    WHERE txn_key IS NOT NULL;
  CREATE INDEX event_resource ON event (((published_at_ms / 21600000)::integer), resource_key, (-published_at_ms))
    WHERE resource_key IS NOT NULL;
  CREATE INDEX event_of_types ON event (types, (-published_at_ms)) WHERE types IS NOT NULL;
  CREATE INDEX event_without_keys ON event (published_at_ms) WHERE seq IS NULL AND jti IS NOT NULL;

  CREATE INDEX notification_newest ON notification ((-published_at_ms), (-seq));
  CREATE INDEX notification_withheld_published ON notification (client_id, published_at_ms, seq)
    WHERE offer_at_ms IS NOT NULL;
  CREATE INDEX notification_failed ON notification ((-published_at_ms), (-seq))
    WHERE attempts > 0 OR error_log IS NOT NULL;
  CREATE INDEX notification_failed_client ON notification (client_id, published_at_ms, seq)
    WHERE attempts > 0 OR error_log IS NOT NULL;

  -- Nearly all are acknowledged; the others are found by themselves.
  CREATE INDEX history_otherwise ON history (state, published_at_ms, seq) WHERE state <> 'acknowledged';
  CREATE INDEX history_otherwise_client ON history (client_id, state, (-published_at_ms), (-seq))
    WHERE state <> 'acknowledged';
`;
