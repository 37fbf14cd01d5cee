-- How far what goes on by itself has come. `events.expired`: the highest number of an event that retention has removed.
CREATE TABLE marks (
    name   TEXT    NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
-- When keys expire, for the events about it.
CREATE INDEX keys_expires_at ON keys (expires_at) WHERE revoked_at IS NULL;
