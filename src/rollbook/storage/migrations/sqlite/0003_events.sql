-- What happened, in the order in which it was committed: `seq` rises with every commit, so a reader can resume from the last it saw.
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    type         TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    actor_user   TEXT,
    actor_key    TEXT,
    address      TEXT,
    request_id   TEXT,
    object       TEXT    NOT NULL,
    before       TEXT
) STRICT;
CREATE INDEX events_user_id ON events (user_id, seq);
CREATE INDEX events_type ON events (type, seq);
