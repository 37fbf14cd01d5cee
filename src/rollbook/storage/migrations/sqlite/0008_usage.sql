-- Requests of a key in an hour, `hour` being its first microsecond. By hour first: what is counted now lies together, however many count.
CREATE TABLE usage (
    hour     INTEGER NOT NULL,
    user_id  TEXT    NOT NULL,
    key_id   TEXT    NOT NULL,
    requests INTEGER NOT NULL,
    errors   INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    limited  INTEGER NOT NULL,
    PRIMARY KEY (hour, user_id, key_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX usage_user_id ON usage (user_id, hour);

-- Which window refused a key's requests of that hour, and how many.
CREATE TABLE usage_limits (
    hour    INTEGER NOT NULL,
    user_id TEXT    NOT NULL,
    key_id  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    limited INTEGER NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, name)
) WITHOUT ROWID, STRICT;
CREATE INDEX usage_limits_user_id ON usage_limits (user_id, hour);

-- All requests of an hour, also those without a key.
CREATE TABLE server_usage (
    hour     INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL,
    errors   INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    limited  INTEGER NOT NULL
) STRICT;

-- Requests of a key with the same status, packed as observe/requests.py does it; `left_out` more were only counted. The table grows at its
-- end only; the index says all that a search asks for, so that it opens no lines but those it shows.
CREATE TABLE request_log (
    id         INTEGER PRIMARY KEY,
    user_id    TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    status     INTEGER NOT NULL,
    limited_by TEXT,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    left_out   INTEGER NOT NULL,
    lines      BLOB    NOT NULL
) STRICT;
CREATE INDEX request_log_user_id ON request_log (user_id, last, first, status, key_id);
CREATE INDEX request_log_last ON request_log (last);

-- Users erased for good, of whom a worker may still write down what they did just before.
CREATE TABLE erased_usage (
    user_id   TEXT    PRIMARY KEY,
    erased_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX erased_usage_erased_at ON erased_usage (erased_at);
