-- API keys. Known by digest; `sealed` is the key encrypted with the server's secret, where its owner may see it again.
CREATE TABLE keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE,
    start        TEXT    NOT NULL,
    last_four    TEXT    NOT NULL,
    sealed       BLOB,
    scopes       TEXT,
    ip_allow     TEXT,
    rate_limit   TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX keys_user_id ON keys (user_id, id);

-- One number that rises with every change to what a key may do: workers forget what they remember of keys when it moves.
CREATE TABLE access (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO access VALUES (1, 1);
