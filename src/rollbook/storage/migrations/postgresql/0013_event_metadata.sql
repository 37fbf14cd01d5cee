-- Large metadata in events, once for all events that hold it: their text has the digest in its place.
CREATE TABLE event_metadata (
    user_id   text   COLLATE "C" NOT NULL,
    digest    text   COLLATE "C" NOT NULL,
    last_used bigint NOT NULL,
    value     text   COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX event_metadata_last_used ON event_metadata (last_used);
