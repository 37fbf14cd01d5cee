-- Users that live. `seq` is a user's place in the list: given once, rising with created_at, never used again (AUTOINCREMENT). `created` is
-- created_at as lists show it, written once so that no list has to make it again for each of its rows.
CREATE TABLE users (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL,
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL UNIQUE,
    password_hash   TEXT,
    role            TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    external_id     TEXT,
    metadata        TEXT    NOT NULL,
    email_verified  INTEGER NOT NULL,
    rate_limit      TEXT,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER,
    created         TEXT    GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000000, 'unixepoch')) STORED
) STRICT;
CREATE UNIQUE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_created_at ON users (created_at);
CREATE INDEX users_name ON users (name);
CREATE INDEX users_role ON users (role);
CREATE INDEX users_status ON users (status);

-- Users that were deleted and can still be restored. Apart, so that no hot query steps over them and their e-mail is free.
CREATE TABLE deleted_users (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL,
    email           TEXT    NOT NULL,
    email_key       TEXT    NOT NULL,
    password_hash   TEXT,
    role            TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    external_id     TEXT,
    metadata        TEXT    NOT NULL,
    email_verified  INTEGER NOT NULL,
    rate_limit      TEXT,
    version         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER,
    deleted_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at);

-- How many users live in each run of 262,144 places (level 3) and of 4,096 (level 2), and how many in each of the 64 runs inside it:
-- `inside` holds 64 little-endian 16-bit numbers. A page at any offset is found by three short walks.
CREATE TABLE user_blocks (
    level  INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    inside BLOB    NOT NULL,
    PRIMARY KEY (level, block)
) WITHOUT ROWID, STRICT;

-- Three-letter index of folded names and e-mails, and the places whose entry there is not yet, or no longer, true: a log, to which every
-- write appends, so that writes of one commit share its last page.
CREATE VIRTUAL TABLE user_search USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram case_sensitive 1');
CREATE TABLE user_search_pending (
    number INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL
) STRICT;
