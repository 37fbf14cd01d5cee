-- The schema. A released version never changes it: the next numbered file does.


---- users

-- Users that live. `seq` is a user's place in the list: given once, rising with created_at, never used again
-- (AUTOINCREMENT). `created` is created_at as lists show it, written once so that no list has to make it again for each
-- of its rows.
-- `kind`: `person`, or `application`, which has no password and cannot sign in. `email_asserted`, 1: an import, an
-- identity provider or an adoption has given this user the email that they have (actions/adoption.py).
-- `private_metadata`: what the company keeps of a user and the user does not read.
CREATE TABLE users (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    email            TEXT    NOT NULL,
    email_key        TEXT    NOT NULL UNIQUE,
    password_hash    TEXT,
    role             TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    external_id      TEXT,
    metadata         TEXT    NOT NULL,
    email_verified   INTEGER NOT NULL,
    rate_limit       TEXT,
    version          INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    last_sign_in_at  INTEGER,
    created          TEXT    GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000000, 'unixepoch')) STORED,
    kind             TEXT    NOT NULL DEFAULT 'person',
    email_asserted   INTEGER NOT NULL DEFAULT 0,
    private_metadata TEXT    NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_created_at ON users (created_at);
CREATE INDEX users_name ON users (name);
CREATE INDEX users_role ON users (role);
CREATE INDEX users_status ON users (status);
-- Applications are few among many users: what asks for them, or for all others, reads no more than these.
CREATE INDEX users_applications ON users (kind, seq) WHERE kind = 'application';

-- Users that were deleted and can still be restored. Apart, so that no hot query steps over them and their email is
-- free.
CREATE TABLE deleted_users (
    seq              INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL,
    email            TEXT    NOT NULL,
    email_key        TEXT    NOT NULL,
    password_hash    TEXT,
    role             TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    external_id      TEXT,
    metadata         TEXT    NOT NULL,
    email_verified   INTEGER NOT NULL,
    rate_limit       TEXT,
    version          INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    last_sign_in_at  INTEGER,
    deleted_at       INTEGER NOT NULL,
    kind             TEXT    NOT NULL DEFAULT 'person',
    email_asserted   INTEGER NOT NULL DEFAULT 0,
    private_metadata TEXT    NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at);
-- Deleted users are looked up by the email they had, to be restored.
CREATE INDEX deleted_users_email_key ON deleted_users (email_key, deleted_at);

-- Users who were erased for good: nobody else ever gets their ID.
CREATE TABLE purged_users (
    id TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID, STRICT;

-- How many users live in each run of 262,144 places (level 3) and of 4,096 (level 2), and how many in each of the 64
-- runs inside it: `inside` holds 64 little-endian 16-bit numbers. A page at any offset is found by three short walks.
CREATE TABLE user_blocks (
    level  INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    inside BLOB    NOT NULL,
    PRIMARY KEY (level, block)
) WITHOUT ROWID, STRICT;

-- Three-letter index of folded names and emails; and the beginnings of their words, for search terms of one and two
-- characters: the tokens are made by the program.
CREATE VIRTUAL TABLE user_search USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram case_sensitive 1');

CREATE VIRTUAL TABLE user_words USING fts5 (text, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');

-- A changed user leaves an old entry in these indexes. FTS5 rewrites a part of an index once 10 % of its entries are
-- old, which takes half of the time that changed users cost; at 50 % that is rare, and the index at most twice as
-- large.
-- Segments are merged once there are eight of a size instead of four: an entry is rewritten less often, a third of what
-- merging costs, and a search looks into twice as many. FTS5 would merge them within the write that makes one too many,
-- while all other writes wait, up to 0.3 s. So the server does it, a few pages in a write
-- (records/user_search/sqlite.py); FTS5 only when there are 64 of a level.
INSERT INTO user_search (user_search, rank) VALUES ('deletemerge', 50);
INSERT INTO user_words (user_words, rank) VALUES ('deletemerge', 50);
INSERT INTO user_search (user_search, rank) VALUES ('usermerge', 8);
INSERT INTO user_words (user_words, rank) VALUES ('usermerge', 8);
INSERT INTO user_search (user_search, rank) VALUES ('automerge', 0);
INSERT INTO user_words (user_words, rank) VALUES ('automerge', 0);
INSERT INTO user_search (user_search, rank) VALUES ('crisismerge', 64);
INSERT INTO user_words (user_words, rank) VALUES ('crisismerge', 64);

-- Places whose entry there is not yet, or no longer, true: a log, to which every write appends, so that writes of one
-- commit share its last page.
CREATE TABLE user_search_pending (
    number INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL
) STRICT;

-- A row for each user erased for good whose letters these indexes may still hold: a deleted entry is only marked there.
CREATE TABLE user_search_erased (
    number INTEGER PRIMARY KEY
) STRICT;

-- Which users have a value in their metadata: each text, number, boolean and null of its top level, as text.
CREATE TABLE user_metadata (
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (key, value, seq)
) STRICT, WITHOUT ROWID;

-- Numbers are written out, without an exponent; those that would need one are not kept, nor are long keys and values.
CREATE VIEW user_metadata_pairs AS
SELECT key, value, seq FROM (
    SELECT pair.key, users.seq, CASE pair.type
        WHEN 'text' THEN pair.value
        WHEN 'integer' THEN CASE WHEN pair.value BETWEEN -999999999999999999 AND 999999999999999999 THEN CAST(pair.value AS TEXT) END
        WHEN 'real' THEN CASE
            WHEN pair.value = 0 THEN '0'
            WHEN abs(pair.value) BETWEEN 0.0001 AND 999999999999999 THEN printf('%.15g', pair.value)
        END
        WHEN 'true' THEN 'true'
        WHEN 'false' THEN 'false'
        WHEN 'null' THEN 'null'
    END AS value
    -- An error here would fail the write of the user.
    FROM users, json_each(iif(json_valid(users.metadata), users.metadata, '{}')) AS pair
    WHERE users.metadata <> '{}'
) WHERE value IS NOT NULL AND length(key) <= 255 AND length(value) <= 255;

-- Triggers, so that whatever writes users keeps it, such as imports and copies.
CREATE TRIGGER user_metadata_came AFTER INSERT ON users WHEN new.metadata <> '{}' BEGIN
    INSERT OR IGNORE INTO user_metadata SELECT key, value, seq FROM user_metadata_pairs WHERE seq = new.seq;
END;
CREATE TRIGGER user_metadata_changed AFTER UPDATE OF metadata ON users WHEN new.metadata <> old.metadata BEGIN
    INSERT OR IGNORE INTO user_metadata SELECT key, value, seq FROM user_metadata_pairs WHERE seq = new.seq;
END;
CREATE TRIGGER user_metadata_changes BEFORE UPDATE OF metadata ON users WHEN new.metadata <> old.metadata BEGIN
    DELETE FROM user_metadata WHERE (key, value, seq) IN (SELECT key, value, seq FROM user_metadata_pairs WHERE seq = old.seq);
END;
CREATE TRIGGER user_metadata_left BEFORE DELETE ON users WHEN old.metadata <> '{}' BEGIN
    DELETE FROM user_metadata WHERE (key, value, seq) IN (SELECT key, value, seq FROM user_metadata_pairs WHERE seq = old.seq);
END;


---- groups

-- Groups of users. `name_key` is the name as lists sort it, `search_text` the spellings of it that a search looks
-- through (records/user_search/folding.py); `members` counts the rows of `group_members`.
CREATE TABLE groups (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    search_text TEXT,
    external_id TEXT    UNIQUE,
    metadata    TEXT    NOT NULL,
    members     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
-- A search in the order of names looks at no more than the index.
CREATE INDEX groups_name_key ON groups (name_key, id, search_text);

-- `user_seq` is the user's place in the list: a group's members are read in that order. Only living users are here.
CREATE TABLE group_members (
    group_id TEXT    NOT NULL,
    user_seq INTEGER NOT NULL,
    user_id  TEXT    NOT NULL,
    role     TEXT    NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_seq)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX group_members_user_id ON group_members (user_id, group_id);

-- Those of deleted users, who get them back when they are restored.
CREATE TABLE deleted_group_members (
    user_id  TEXT    NOT NULL,
    group_id TEXT    NOT NULL,
    user_seq INTEGER NOT NULL,
    role     TEXT    NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, group_id)
) WITHOUT ROWID, STRICT;

-- Deleted groups of which members are left, which a job removes.
CREATE TABLE deleted_groups (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;

-- Triggers, so that whatever deletes and restores users keeps it.
CREATE TRIGGER group_members_left AFTER DELETE ON users
WHEN EXISTS (SELECT 1 FROM group_members WHERE user_id = OLD.id) BEGIN
    UPDATE groups SET members = members - 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    INSERT OR REPLACE INTO deleted_group_members (user_id, group_id, user_seq, role, added_at)
    SELECT user_id, group_id, user_seq, role, added_at FROM group_members WHERE user_id = OLD.id;
    DELETE FROM group_members WHERE user_id = OLD.id;
END;

-- Who leaves this table was restored, and is among the users, or erased.
CREATE TRIGGER group_members_came AFTER DELETE ON deleted_users
WHEN EXISTS (SELECT 1 FROM deleted_group_members WHERE user_id = OLD.id) BEGIN
    INSERT INTO group_members (group_id, user_seq, user_id, role, added_at)
    SELECT group_id, user_seq, user_id, role, added_at FROM deleted_group_members
    WHERE user_id = OLD.id AND group_id IN (SELECT id FROM groups) AND EXISTS (SELECT 1 FROM users WHERE id = OLD.id);
    UPDATE groups SET members = members + 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    DELETE FROM deleted_group_members WHERE user_id = OLD.id;
END;


---- keys

-- API keys. Known by digest; `sealed` is the key encrypted with the server's secret, where its owner may see it again.
CREATE TABLE keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    kind         TEXT    NOT NULL DEFAULT 'api',  -- `api` or `scim`: where it is valid
    name         TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE,
    start        TEXT    NOT NULL,
    last_four    TEXT    NOT NULL,
    sealed       BLOB,
    scopes       TEXT,
    audiences    TEXT,                            -- for which it handles sessions; NULL: any
    ip_allow     TEXT,
    rate_limit   TEXT,
    limited_with TEXT,                            -- the key in whose rate limit it counts; NULL: its own
    created_at   INTEGER NOT NULL,
    created_by   TEXT,                            -- the person it goes back to first; '': the command line
    created_with TEXT,                            -- the key it was created with
    lineage      TEXT,                            -- a row of `lineages`; NULL: none
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    tenant       TEXT                             -- the first key of its rotations; NULL: itself
) WITHOUT ROWID, STRICT;
CREATE INDEX keys_user_id ON keys (user_id, id);
-- Keys that work, or would if they had not expired, are counted before a user gets another one.
CREATE INDEX keys_live ON keys (user_id, expires_at) WHERE revoked_at IS NULL;
-- When keys expire, for the events about it.
CREATE INDEX keys_expires_at ON keys (expires_at) WHERE revoked_at IS NULL;
-- Keys that were revoked, for their retention.
CREATE INDEX keys_revoked_at ON keys (revoked_at) WHERE revoked_at IS NOT NULL;
-- The keys of identity providers are few among many: the page that lists them reads no others.
CREATE INDEX keys_scim ON keys (id) WHERE kind = 'scim' AND revoked_at IS NULL;
-- The beginning of a key that was found somewhere leads to its user, among the keys of all users.
CREATE INDEX keys_start ON keys (start);
-- Keys that go back to a user, also those that ended: what was set with them stays.
CREATE INDEX keys_created_by ON keys (created_by) WHERE created_by IS NOT NULL AND created_by != user_id;
CREATE INDEX keys_lineage ON keys (lineage) WHERE lineage IS NOT NULL;

-- The users that a key, webhook or one-time token goes back to, beside its own, as IDs with spaces between them; and
-- each of these users.
CREATE TABLE lineages (
    lineage TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (lineage, user_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX lineages_user_id ON lineages (user_id);

-- One number that rises with every change to what a key may do: workers forget what they remember of keys when it
-- moves.
CREATE TABLE access (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO access VALUES (1, 1);


---- signing in

-- People who are signed in: to the pages (`audience` is NULL), or to an application. Of what they show, only the digest
-- is kept. Of an application, `family` is the digest of what all refresh tokens of a session have in common,
-- `refresh_digest` that of the one that is valid now.
CREATE TABLE sessions (
    id                 TEXT    NOT NULL PRIMARY KEY,
    digest             BLOB    NOT NULL UNIQUE,
    user_id            TEXT    NOT NULL,
    created_at         INTEGER NOT NULL,
    last_seen_at       INTEGER NOT NULL,
    address            TEXT    NOT NULL,
    user_agent         TEXT    NOT NULL,
    proven_at          INTEGER,  -- when they last proved who they are, if after the beginning
    audience           TEXT,
    family             BLOB,
    refresh_digest     BLOB,
    expires_at         INTEGER,
    refresh_expires_at INTEGER,
    created_by         TEXT,
    lineage            TEXT,     -- as in `keys`, if it began with a one-time token
    user_seq           INTEGER   -- where the user's row is found at once
) WITHOUT ROWID, STRICT;
CREATE INDEX sessions_user_id ON sessions (user_id, id);
CREATE UNIQUE INDEX sessions_family ON sessions (family) WHERE family IS NOT NULL;
CREATE INDEX sessions_refresh_expires_at ON sessions (refresh_expires_at) WHERE audience IS NOT NULL;
-- By these two, only the dashboard's sessions end.
CREATE INDEX sessions_created_at ON sessions (created_at) WHERE audience IS NULL;
CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at) WHERE audience IS NULL;
CREATE INDEX sessions_lineage ON sessions (lineage) WHERE lineage IS NOT NULL;
-- All that verifying a token reads of its session, so that it costs little more than reading a user.
CREATE INDEX sessions_verified ON sessions (digest, expires_at, user_seq, user_id, lineage) WHERE audience IS NOT NULL;

-- Keys that sign access tokens: the private part is encrypted. From `signs_from` on, each signs until a newer one does.
CREATE TABLE signing_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    public     BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Tokens with which somebody does one thing once: accept an invitation, set a password, confirm an email, sign in. Of
-- their text only the digest is kept. A user has at most one of a purpose; the newest counts. `created_by`,
-- `created_with`, `lineage` and `audiences` are as in `keys`.
CREATE TABLE one_time_tokens (
    id           TEXT    NOT NULL PRIMARY KEY,
    digest       BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL,
    purpose      TEXT    NOT NULL,
    email        TEXT,
    redirect_url TEXT    NOT NULL,
    data         TEXT,
    language     TEXT,
    sealed       BLOB,
    is_sent      INTEGER NOT NULL DEFAULT 0,
    delivered_by TEXT,
    created_by   TEXT,
    created_with TEXT,
    lineage      TEXT,
    audiences    TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    UNIQUE (user_id, purpose)
) WITHOUT ROWID, STRICT;
CREATE INDEX one_time_tokens_created_by ON one_time_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);
-- Tokens whose text waits for its delivery, by the webhook that delivers it.
CREATE INDEX one_time_tokens_waiting ON one_time_tokens (delivered_by) WHERE sealed IS NOT NULL;
CREATE INDEX one_time_tokens_lineage ON one_time_tokens (lineage) WHERE lineage IS NOT NULL;

-- Requests for one-time tokens, for a moment: a job turns them into tokens. All of a request is sealed, since it may
-- name people who have no account here.
CREATE TABLE token_requests (
    id     TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Second factors: authenticator apps (`totp`, their secret encrypted) and passkeys. Without `confirmed_at`, it is not
-- asked for yet. `last_step` is the time step of the last code: a code works once.
CREATE TABLE second_factors (
    id            TEXT    NOT NULL PRIMARY KEY,
    user_id       TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    secret        BLOB,
    last_step     INTEGER,
    credential_id BLOB    UNIQUE,
    public_key    BLOB,
    sign_count    INTEGER,
    transports    TEXT,
    vouched       INTEGER NOT NULL DEFAULT 0,  -- 1: set by an admin or an import (actions/tokens.py)
    created_at    INTEGER NOT NULL,
    confirmed_at  INTEGER,
    last_used_at  INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX second_factors_user_id ON second_factors (user_id, id);
CREATE INDEX second_factors_unconfirmed ON second_factors (created_at) WHERE confirmed_at IS NULL;

-- Codes on paper, each of which works once instead of a factor. Known by digest.
CREATE TABLE recovery_codes (
    user_id    TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, digest)
) WITHOUT ROWID, STRICT;

-- Since when people who need a second factor have had time to set one up.
CREATE TABLE second_factor_grace (
    user_id  TEXT    NOT NULL PRIMARY KEY,
    began_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- What somebody has begun and ends with a second factor within minutes: a sign-in with the right password, or a
-- passkey. Known by digest.
CREATE TABLE challenges (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX challenges_user_id ON challenges (user_id, created_at);
CREATE INDEX challenges_expires_at ON challenges (expires_at);

-- Wrong passwords and codes in a row: of a user, or of one of the rows that others share (records/failed_guesses.py).
CREATE TABLE failed_guesses (
    account  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) WITHOUT ROWID, STRICT;

-- The parameters that stored password hashes have ($argon2id$v=19$m=19456,t=2,p=1$), and what one costs: KiB times
-- passes. A search for users who have them sets `in_doubt`, and forgets what is still in doubt at its end.
CREATE TABLE password_parameters (
    cost       INTEGER NOT NULL,
    parameters TEXT    NOT NULL,
    in_doubt   INTEGER NOT NULL,
    users      INTEGER NOT NULL DEFAULT 0,  -- who have them, when they were last counted
    most       INTEGER NOT NULL DEFAULT 0,  -- who had them at most, as far as is known
    counted_at INTEGER NOT NULL DEFAULT 0,  -- 0: never
    PRIMARY KEY (cost, parameters)
) WITHOUT ROWID, STRICT;


---- SCIM

-- What identity providers keep here of a user by SCIM, beside what everybody sees of them. `user_name_key` is unique
-- among those who live: a deleted user's is free for others, who take it over. `version` counts these changes alone.
CREATE TABLE scim_users (
    user_id       TEXT    NOT NULL PRIMARY KEY,
    user_name     TEXT,
    user_name_key TEXT    UNIQUE,
    attributes    TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- The identifiers that each identity provider (`tenant`, the first of its keys) has for users and groups.
CREATE TABLE scim_external_ids (
    tenant      TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (tenant, object_id),
    UNIQUE (tenant, kind, external_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX scim_external_ids_object_id ON scim_external_ids (object_id);


---- events

-- What happened, in the order in which it was committed: `seq` rises with every commit, so a reader can resume from the
-- last it saw.
CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
    type           TEXT    NOT NULL,
    user_id        TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    actor_user     TEXT,
    actor_key      TEXT,
    key_created_by TEXT,  -- who created the key, where that is not its own user
    address        TEXT,
    request_id     TEXT,
    trace_id       TEXT,  -- of the distributed trace, from traceparent
    client         TEXT,  -- the assistant, over MCP
    object         TEXT    NOT NULL,
    before         TEXT
) STRICT;
CREATE INDEX events_user_id ON events (user_id, seq);
CREATE INDEX events_type ON events (type, seq);

-- Large metadata in events, once for all events that hold it: their text has the digest in its place.
CREATE TABLE event_metadata (
    user_id   TEXT    NOT NULL,
    digest    TEXT    NOT NULL,
    last_used INTEGER NOT NULL,
    value     TEXT    NOT NULL,
    PRIMARY KEY (user_id, digest)
) STRICT;
CREATE INDEX event_metadata_last_used ON event_metadata (last_used);

-- Places in the log of events that were erased with their user: a consumer that has read one resumes from there.
CREATE TABLE erased_events (
    seq INTEGER PRIMARY KEY,
    id  TEXT    NOT NULL UNIQUE
) STRICT;

-- Changes that imports with events=summary leave out of the event log: when which users were added (is_new, those of a
-- batch together) or changed. Without them, the log would tell what a user was like in the meantime, and be wrong.
CREATE TABLE unlogged_changes (
    first_seq  INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    is_new     INTEGER NOT NULL
) STRICT;
CREATE INDEX unlogged_changes_first_seq ON unlogged_changes (is_new, first_seq, changed_at);
CREATE INDEX unlogged_changes_changed_at ON unlogged_changes (changed_at);


---- requests

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

-- Requests of a key in an hour, `hour` being its first microsecond. Rows whose `key_id` is empty count all keys of the
-- user together, since a user with many keys has thousands of rows for each of these; if `user_id` is empty, too, the
-- whole server. By hour first: what is counted now lies together, however many count.
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
CREATE INDEX usage_of_key ON usage (user_id, key_id, hour);

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

-- Requests of a key to an endpoint: of an hour, and once the hours are folded, of a day, `hour` being its first
-- microsecond. `t0` to `t9` count them by duration: up to 0.25, 0.5, 1, 2.5, 5, 10, 50, 250 and 1,000 ms, and longer.
CREATE TABLE usage_routes (
    hour     INTEGER NOT NULL,
    user_id  TEXT    NOT NULL,
    key_id   TEXT    NOT NULL,
    route    TEXT    NOT NULL,
    requests INTEGER NOT NULL,
    errors   INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    limited  INTEGER NOT NULL,
    t0       INTEGER NOT NULL,
    t1       INTEGER NOT NULL,
    t2       INTEGER NOT NULL,
    t3       INTEGER NOT NULL,
    t4       INTEGER NOT NULL,
    t5       INTEGER NOT NULL,
    t6       INTEGER NOT NULL,
    t7       INTEGER NOT NULL,
    t8       INTEGER NOT NULL,
    t9       INTEGER NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, route)
) WITHOUT ROWID, STRICT;
CREATE INDEX usage_routes_of_key ON usage_routes (user_id, key_id, hour);

-- Users erased for good, of whom a worker may still write down what they did just before.
CREATE TABLE erased_usage (
    user_id   TEXT    PRIMARY KEY,
    erased_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX erased_usage_erased_at ON erased_usage (erased_at);

-- Requests of a key with the same status, packed as records/usage.py does it; `left_out` more were only counted. The
-- table grows at its end only; the index says all that a search asks for, so that it opens no lines but those it shows.
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

-- Bytes of the request log by the hour of its lines, so that its size is known without reading it.
CREATE TABLE request_log_sizes (
    hour  INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;


---- webhooks

-- Endpoints that events are sent to. `url`, `headers` and the secrets are for the server alone; sealed as revealable
-- keys are. `created_by`, `created_with` and `lineage` are as in `keys`: of who created a webhook, or last chose where
-- it sends.
CREATE TABLE webhooks (
    id               TEXT    NOT NULL PRIMARY KEY,
    user_id          TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    sealed_url       BLOB,                        -- of a chat, whose URL is a credential: masked in `url`
    description      TEXT    NOT NULL,
    types            TEXT    NOT NULL,
    format           TEXT    NOT NULL,
    payload          TEXT    NOT NULL,
    ordering         TEXT    NOT NULL,
    skip_imports     INTEGER NOT NULL DEFAULT 0,  -- whether it is not sent what imports do
    headers          BLOB,
    secret           BLOB    NOT NULL,
    old_secret       BLOB,
    old_secret_until INTEGER,
    status           TEXT    NOT NULL,
    status_reason    TEXT,
    status_by        TEXT,                        -- a user's ID, `cli` or `system`
    status_at        INTEGER,
    version          INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    created_by       TEXT,
    created_with     TEXT,
    lineage          TEXT,
    updated_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_user_id ON webhooks (user_id, id);

-- How far each endpoint is in the event log: all events up to `seq` are delivered, not asked for, or in
-- `webhook_lanes`. `holder` sends to it until the database's clock shows `until`; `epoch` rises with each holder, so
-- that an earlier one can write nothing. `missed`: events that were past their retention before they could be sent,
-- since it was told, at `told_at`.
CREATE TABLE webhook_cursors (
    webhook_id    TEXT    NOT NULL PRIMARY KEY,
    seq           INTEGER NOT NULL,
    holder        TEXT    NOT NULL,
    epoch         INTEGER NOT NULL,
    until         INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    failing_since INTEGER,
    probes        INTEGER NOT NULL,
    open_until    INTEGER,
    missed        INTEGER NOT NULL DEFAULT 0,
    told_at       INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;

-- What failed and is tried again: of each lane (a user, or one event where order does not matter) the first event that
-- is not delivered.
CREATE TABLE webhook_lanes (
    webhook_id TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    failed_at  INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    PRIMARY KEY (webhook_id, lane)
) WITHOUT ROWID, STRICT;

-- Every attempt to deliver an event. What was sent is not kept, but made again from the event log when it is looked at.
CREATE TABLE webhook_deliveries (
    id            TEXT    NOT NULL,
    webhook_id    TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    event_id      TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    trigger       TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    duration      INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    http_status   INTEGER,
    address       TEXT,
    retry_at      INTEGER,
    response_type TEXT,
    response      TEXT
) STRICT;
CREATE INDEX webhook_deliveries_id ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_user_id ON webhook_deliveries (user_id, id);

-- Deliveries of each hour since 1970, for the plots.
CREATE TABLE webhook_hours (
    webhook_id TEXT    NOT NULL,
    hour       INTEGER NOT NULL,
    delivered  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, hour)
) WITHOUT ROWID, STRICT;

-- Parts of the event log that are sent again, on request.
CREATE TABLE webhook_replays (
    id          TEXT    NOT NULL PRIMARY KEY,
    webhook_id  TEXT    NOT NULL,
    trigger     TEXT    NOT NULL,
    first_seq   INTEGER NOT NULL,
    next_seq    INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    types       TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    selection   TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    delivered   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX webhook_replays_webhook_id ON webhook_replays (webhook_id, id);
-- Replays that run are looked for all the time.
CREATE INDEX webhook_replays_running ON webhook_replays (id) WHERE status = 'running';

-- What arrived at endpoints inside the product, for trying.
CREATE TABLE webhook_inbox (
    id          TEXT    NOT NULL PRIMARY KEY,
    webhook_id  TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    headers     TEXT    NOT NULL,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX webhook_inbox_webhook_id ON webhook_inbox (webhook_id, id);
CREATE INDEX webhook_inbox_user_id ON webhook_inbox (user_id, id);


---- imports and bulk jobs

-- Imports of files of users that run in the background. The file lies in the data folder of the server that received
-- it.
CREATE TABLE imports (
    id               TEXT    PRIMARY KEY,
    user_id          TEXT    NOT NULL,
    key_id           TEXT,
    session_id       TEXT,                               -- in which it was created, if that has a lineage
    address          TEXT,
    options          TEXT    NOT NULL,                   -- a JSON object
    unknown_hashes   TEXT    NOT NULL DEFAULT 'refuse',  -- an option, too: `refuse` or `skip`
    status           TEXT    NOT NULL,                   -- waiting, running, finished, failed or canceled
    error            TEXT,
    error_code       TEXT,                               -- why, without words: events carry this
    runner           TEXT,                               -- whichever process may write its progress
    seen_at          INTEGER NOT NULL,                   -- when a server last had its file
    bytes            INTEGER NOT NULL,
    bytes_read       INTEGER NOT NULL,
    records          INTEGER NOT NULL,
    added            INTEGER NOT NULL,
    updated          INTEGER NOT NULL,
    unchanged        INTEGER NOT NULL,
    skipped          INTEGER NOT NULL,
    refused          INTEGER NOT NULL,
    without_password INTEGER NOT NULL DEFAULT 0,         -- their hash is not known
    weak_hashes      INTEGER NOT NULL DEFAULT 0,         -- easy to guess at
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX imports_unfinished ON imports (id) WHERE finished_at IS NULL;

-- Records of a file that were refused, and why; and users who were imported without their password (`user_id`).
CREATE TABLE import_refusals (
    import_id TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    line      INTEGER NOT NULL,
    field     TEXT,
    code      TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    user_id   TEXT,
    PRIMARY KEY (import_id, number)
) STRICT, WITHOUT ROWID;

-- What whoever started an import may see of its file, encrypted: its columns (`IMPORT_ID/columns`), and the records
-- that were refused, as they were, in pieces (`IMPORT_ID/NUMBER`).
CREATE TABLE import_rows (
    id     TEXT    NOT NULL PRIMARY KEY,
    size   INTEGER NOT NULL,
    sealed BLOB    NOT NULL
) STRICT;

-- Changes of many users that run in the background.
CREATE TABLE bulk_jobs (
    id          TEXT    PRIMARY KEY,
    user_id     TEXT    NOT NULL,
    key_id      TEXT,
    session_id  TEXT,              -- in which it was created, if that has a lineage
    address     TEXT,
    action      TEXT    NOT NULL,
    options     TEXT    NOT NULL,  -- a JSON object
    undoes      TEXT,              -- the job whose changes this one puts back
    status      TEXT    NOT NULL,  -- collecting, queued, running, finished, failed or canceled
    error       TEXT,
    error_code  TEXT,
    parts_done  INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    changed     INTEGER NOT NULL,
    unchanged   INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_jobs_unfinished ON bulk_jobs (id) WHERE finished_at IS NULL;

-- The users of a job, some hundred at a time, and what became of them.
CREATE TABLE bulk_job_parts (
    id      TEXT    PRIMARY KEY,  -- that of the job, a slash and six digits
    changed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    users   TEXT    NOT NULL,     -- IDs, each with the role to put back if there is one
    results TEXT,                 -- a JSON list; NULL: not done yet
    sealed  BLOB                  -- the links that were created
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_job_parts_sealed ON bulk_job_parts (id) WHERE sealed IS NOT NULL;


---- the server

-- How far what goes on by itself has come. `events.expired`: the highest number of an event that retention has removed.
CREATE TABLE marks (
    name   TEXT    NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
