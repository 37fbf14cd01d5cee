-- Imports of files of users that run in the background. The file lies in the data folder of the server that received it.
CREATE TABLE imports (
    id          TEXT    PRIMARY KEY,
    user_id     TEXT    NOT NULL,
    key_id      TEXT,
    address     TEXT,
    options     TEXT    NOT NULL,  -- a JSON object
    status      TEXT    NOT NULL,  -- waiting, running, finished, failed or canceled
    error       TEXT,
    runner      TEXT,              -- whichever process may write its progress
    seen_at     INTEGER NOT NULL,  -- when a server last had its file
    bytes       INTEGER NOT NULL,
    bytes_read  INTEGER NOT NULL,
    records     INTEGER NOT NULL,
    added       INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    unchanged   INTEGER NOT NULL,
    skipped     INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX imports_unfinished ON imports (id) WHERE finished_at IS NULL;

-- Records of a file that were refused, and why.
CREATE TABLE import_refusals (
    import_id TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    line      INTEGER NOT NULL,
    field     TEXT,
    code      TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    PRIMARY KEY (import_id, number)
) STRICT, WITHOUT ROWID;

-- Whether a webhook is not sent what imports do.
ALTER TABLE webhooks ADD COLUMN skip_imports INTEGER NOT NULL DEFAULT 0;
