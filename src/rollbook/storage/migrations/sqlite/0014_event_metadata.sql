-- Large metadata in events, once for all events that hold it: their text has the digest in its place.
CREATE TABLE event_metadata (
    user_id   TEXT    NOT NULL,
    digest    TEXT    NOT NULL,
    last_used INTEGER NOT NULL,
    value     TEXT    NOT NULL,
    PRIMARY KEY (user_id, digest)
) STRICT;
CREATE INDEX event_metadata_last_used ON event_metadata (last_used);
