-- Answers to POST requests that came with an Idempotency-Key, sealed; `status` is NULL while the first request runs.
CREATE TABLE replies (
    user_id    TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    request    BLOB    NOT NULL,
    owner      TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    status     INTEGER,
    head       BLOB,
    sealed     BLOB,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX replies_started_at ON replies (started_at);
