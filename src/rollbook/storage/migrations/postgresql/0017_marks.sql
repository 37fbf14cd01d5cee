-- How far what goes on by itself has come. `events.expired`: the highest number of an event that retention has removed.
CREATE TABLE marks (
    name   text   COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL
);
-- When keys expire, for the events about it.
CREATE INDEX keys_expires_at ON keys (expires_at) WHERE revoked_at IS NULL;
