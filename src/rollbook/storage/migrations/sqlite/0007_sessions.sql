-- People who are signed in to the pages. The text of their cookie is not kept, only its digest.
CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    digest       BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    address      TEXT    NOT NULL,
    user_agent   TEXT    NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX sessions_user_id ON sessions (user_id, id);
CREATE INDEX sessions_created_at ON sessions (created_at);
CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at);

-- Links with which a user sets a password once. A user has at most one; the newest counts.
CREATE TABLE password_links (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX password_links_expires_at ON password_links (expires_at);
