-- The schema. A released version never changes it: the next numbered file does. (CREATE OR REPLACE TRIGGER, since of a
-- CREATE TRIGGER `migrate.statements` awaits the END of SQLite's.)
-- Text is compared by its bytes, as SQLite does, whatever the locale of the database. No SERIAL, no rule: numbers come
-- from the application, and each index leads with, or is on, what a table could be distributed by. Uniqueness across
-- users is in tables of their own ("claims"), since a table that is partitioned or distributed by id can only be unique
-- in id.


---- users

-- Users that live. `seq` is a user's place in the list: given once (table `numbers`), rising with created_at.
-- `search_text` is what a search by part of a name or an address looks through.
-- `kind`: `person`, or `application`, which has no password and cannot sign in. `email_asserted`, 1: an import, an
-- identity provider or an adoption has given this user the email that they have (actions/adoption.py).
-- `private_metadata`: what the company keeps of a user and the user does not read.
CREATE TABLE users (
    seq              bigint  NOT NULL,
    id               text    COLLATE "C" NOT NULL,
    name             text    COLLATE "C" NOT NULL,
    email            text    COLLATE "C" NOT NULL,
    email_key        text    COLLATE "C" NOT NULL,
    password_hash    text    COLLATE "C",
    role             text    COLLATE "C" NOT NULL,
    status           text    COLLATE "C" NOT NULL,
    external_id      text    COLLATE "C",
    metadata         text    COLLATE "C" NOT NULL,
    email_verified   integer NOT NULL,
    rate_limit       text    COLLATE "C",
    version          integer NOT NULL,
    created_at       bigint  NOT NULL,
    updated_at       bigint  NOT NULL,
    last_sign_in_at  bigint,
    search_text      text    COLLATE "C" NOT NULL,
    kind             text    COLLATE "C" NOT NULL DEFAULT 'person',
    email_asserted   integer NOT NULL DEFAULT 0,
    private_metadata text    COLLATE "C" NOT NULL DEFAULT '{}',
    PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX users_seq ON users (seq);
CREATE INDEX users_email_key ON users (email_key, seq);
CREATE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_name ON users (name, seq);
CREATE INDEX users_role ON users (role, seq);
CREATE INDEX users_status ON users (status, seq);
-- Search terms of one and two characters: the beginnings of words (records/user_search/postgres.py).
CREATE INDEX users_words ON users USING gin ((string_to_array(regexp_replace(search_text, '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]*(?:([\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u2bff\u2e80-\u2fff\u3005-\u3007\u3021-\u302f\u3031-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdf\U0001f000-\U0001faff\U00020000-\U0003ffff])|([^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u2bff\u2e80-\u2fff\u3005-\u3007\u3021-\u302f\u3031-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdf\U0001f000-\U0001faff\U00020000-\U0003ffff])([^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u2bff\u2e80-\u2fff\u3005-\u3007\u3021-\u302f\u3031-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdf\U0001f000-\U0001faff\U00020000-\U0003ffff]?)[^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u2bff\u2e80-\u2fff\u3005-\u3007\u3021-\u302f\u3031-\ua4cf\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdf\U0001f000-\U0001faff\U00020000-\U0003ffff]*)', '\1\2 \2\3 ', 'g'), ' ')));
-- Those of one date are in the order in which they were added.
CREATE INDEX users_dates ON users (created_at, seq);
-- Applications are few among many users: what asks for them, or for all others, reads no more than these.
CREATE INDEX users_applications ON users (kind, seq) WHERE kind = 'application';

-- Who has an email address, and who an identifier of the caller's own: the primary key decides a race.
CREATE TABLE email_claims (
    email_key text COLLATE "C" NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    CONSTRAINT "users.email_key" PRIMARY KEY (email_key)
);

CREATE TABLE external_id_claims (
    external_id text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    CONSTRAINT "users.external_id" PRIMARY KEY (external_id)
);

-- Numbers that are given out: `next` is one more than the last one, `at` one microsecond later than the time of its
-- user.
CREATE TABLE numbers (
    counter text   COLLATE "C" NOT NULL PRIMARY KEY,
    next    bigint NOT NULL,
    at      bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO numbers VALUES ('users', 1, 0), ('events', 1, 0);

-- Users that were deleted and can still be restored. Apart, so that no hot query steps over them and their email is
-- free.
CREATE TABLE deleted_users (
    seq              bigint  NOT NULL,
    id               text    COLLATE "C" NOT NULL PRIMARY KEY,
    name             text    COLLATE "C" NOT NULL,
    email            text    COLLATE "C" NOT NULL,
    email_key        text    COLLATE "C" NOT NULL,
    password_hash    text    COLLATE "C",
    role             text    COLLATE "C" NOT NULL,
    status           text    COLLATE "C" NOT NULL,
    external_id      text    COLLATE "C",
    metadata         text    COLLATE "C" NOT NULL,
    email_verified   integer NOT NULL,
    rate_limit       text    COLLATE "C",
    version          integer NOT NULL,
    created_at       bigint  NOT NULL,
    updated_at       bigint  NOT NULL,
    last_sign_in_at  bigint,
    search_text      text    COLLATE "C" NOT NULL,
    deleted_at       bigint  NOT NULL,
    kind             text    COLLATE "C" NOT NULL DEFAULT 'person',
    email_asserted   integer NOT NULL DEFAULT 0,
    private_metadata text    COLLATE "C" NOT NULL DEFAULT '{}'
);
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at, seq);
-- Deleted users are looked up by the email they had, to be restored.
CREATE INDEX deleted_users_email_key ON deleted_users (email_key, deleted_at);

-- Users who were erased for good: nobody else ever gets their ID.
CREATE TABLE purged_users (
    id text COLLATE "C" NOT NULL PRIMARY KEY
);

-- How many users live in each run of 64 places (level 1), of 4,096 (level 2) and of 262,144 (level 3), as far as they
-- are folded; and what has been added to or taken from runs of 64 since. Writers only append: a count that all of them
-- change would make them wait for each other.
CREATE TABLE user_blocks (
    level integer NOT NULL,
    block bigint  NOT NULL,
    n     integer NOT NULL,
    PRIMARY KEY (level, block)
);

CREATE TABLE user_block_deltas (
    id     uuid    NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    run    bigint  NOT NULL,
    change integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 100000000);

-- Which users have a value in their metadata: each text, number, boolean and null of its top level, as text.
CREATE TABLE user_metadata (
    key   text   COLLATE "C" NOT NULL,
    value text   COLLATE "C" NOT NULL,
    seq   bigint NOT NULL,
    PRIMARY KEY (key, value, seq)
);

-- Numbers are written out, without an exponent; those that would need one are not kept, nor are long keys and values.
CREATE FUNCTION user_metadata_pairs(metadata text) RETURNS TABLE (key text, value text) LANGUAGE sql IMMUTABLE AS '
    SELECT * FROM (
        SELECT pair.key COLLATE "C" AS key, CASE jsonb_typeof(pair.value)
            WHEN ''string'' THEN pair.value #>> ''{}''
            WHEN ''number'' THEN CASE
                WHEN pair.value #>> ''{}'' ~ ''^-?[0-9]{1,18}$'' THEN pair.value #>> ''{}''
                WHEN pair.value = ''0'' THEN ''0''
                WHEN abs(CAST(pair.value AS numeric)) BETWEEN 0.0001 AND 999999999999999
                    THEN CAST(trim_scale(CAST(CAST(CAST(pair.value AS numeric) AS float8) AS numeric)) AS text)
            END
            WHEN ''boolean'' THEN pair.value #>> ''{}''
            WHEN ''null'' THEN ''null''
        END COLLATE "C" AS value
        FROM jsonb_each(CAST(metadata AS jsonb)) AS pair
    ) AS pairs WHERE value IS NOT NULL AND char_length(key) <= 255 AND char_length(value) <= 255';

-- Triggers, so that whatever writes users keeps it, such as imports and copies.
CREATE FUNCTION keep_user_metadata() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF TG_OP <> ''INSERT'' THEN
        DELETE FROM user_metadata AS kept USING user_metadata_pairs(OLD.metadata) AS pairs
        WHERE kept.key = pairs.key COLLATE "C" AND kept.value = pairs.value COLLATE "C" AND kept.seq = OLD.seq;
    END IF;
    IF TG_OP <> ''DELETE'' THEN
        INSERT INTO user_metadata SELECT key, value, NEW.seq FROM user_metadata_pairs(NEW.metadata) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER user_metadata_came AFTER INSERT ON users FOR EACH ROW WHEN (NEW.metadata <> '{}') EXECUTE FUNCTION keep_user_metadata();
CREATE OR REPLACE TRIGGER user_metadata_changed AFTER UPDATE OF metadata ON users FOR EACH ROW WHEN (NEW.metadata <> OLD.metadata) EXECUTE FUNCTION keep_user_metadata();
CREATE OR REPLACE TRIGGER user_metadata_left AFTER DELETE ON users FOR EACH ROW WHEN (OLD.metadata <> '{}') EXECUTE FUNCTION keep_user_metadata();


---- groups

-- Groups of users. `name_key` is the name as lists sort it, `search_text` the spellings of it that a search looks
-- through (records/user_search/folding.py); `members` counts the rows of `group_members`.
CREATE TABLE groups (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    name        text   COLLATE "C" NOT NULL,
    name_key    text   COLLATE "C" NOT NULL,
    search_text text   COLLATE "C",
    external_id text   COLLATE "C" CONSTRAINT "groups.external_id" UNIQUE,
    metadata    text   COLLATE "C" NOT NULL,
    members     bigint NOT NULL,
    version     bigint NOT NULL,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX groups_name_key ON groups (name_key, id);

-- `user_seq` is the user's place in the list: a group's members are read in that order. Only living users are here.
CREATE TABLE group_members (
    group_id text   COLLATE "C" NOT NULL,
    user_seq bigint NOT NULL,
    user_id  text   COLLATE "C" NOT NULL,
    role     text   COLLATE "C" NOT NULL,
    added_at bigint NOT NULL,
    PRIMARY KEY (group_id, user_seq)
);
CREATE UNIQUE INDEX group_members_user_id ON group_members (user_id, group_id);

-- Those of deleted users, who get them back when they are restored.
CREATE TABLE deleted_group_members (
    user_id  text   COLLATE "C" NOT NULL,
    group_id text   COLLATE "C" NOT NULL,
    user_seq bigint NOT NULL,
    role     text   COLLATE "C" NOT NULL,
    added_at bigint NOT NULL,
    PRIMARY KEY (user_id, group_id)
);

-- Deleted groups of which members are left, which a job removes.
CREATE TABLE deleted_groups (id text COLLATE "C" NOT NULL PRIMARY KEY);

-- Triggers, so that whatever deletes and restores users keeps it. Groups are locked in the same order by all who change
-- several.
CREATE FUNCTION hide_group_members() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF NOT EXISTS (SELECT 1 FROM group_members WHERE user_id = OLD.id) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM groups WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id) ORDER BY id FOR UPDATE;
    UPDATE groups SET members = members - 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    INSERT INTO deleted_group_members (user_id, group_id, user_seq, role, added_at)
    SELECT user_id, group_id, user_seq, role, added_at FROM group_members WHERE user_id = OLD.id ON CONFLICT DO NOTHING;
    DELETE FROM group_members WHERE user_id = OLD.id;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER group_members_left AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION hide_group_members();

-- Who leaves this table was restored, and is among the users, or erased.
CREATE FUNCTION show_group_members() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF NOT EXISTS (SELECT 1 FROM deleted_group_members WHERE user_id = OLD.id) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT 1 FROM users WHERE id = OLD.id) THEN
        PERFORM 1 FROM groups WHERE id IN (SELECT group_id FROM deleted_group_members WHERE user_id = OLD.id)
        ORDER BY id FOR UPDATE;
        INSERT INTO group_members (group_id, user_seq, user_id, role, added_at)
        SELECT group_id, user_seq, user_id, role, added_at FROM deleted_group_members
        WHERE user_id = OLD.id AND group_id IN (SELECT id FROM groups);
        UPDATE groups SET members = members + 1, version = version + 1
        WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    END IF;
    DELETE FROM deleted_group_members WHERE user_id = OLD.id;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER group_members_came AFTER DELETE ON deleted_users FOR EACH ROW EXECUTE FUNCTION show_group_members();


---- keys

-- API keys. Known by digest; `sealed` is the key encrypted with the server's secret, where its owner may see it again.
CREATE TABLE keys (
    id           text   COLLATE "C" NOT NULL PRIMARY KEY,
    user_id      text   COLLATE "C" NOT NULL,
    kind         text   COLLATE "C" NOT NULL DEFAULT 'api',  -- `api` or `scim`: where it is valid
    name         text   COLLATE "C" NOT NULL,
    digest       bytea  NOT NULL CONSTRAINT "keys.digest" UNIQUE,
    start        text   COLLATE "C" NOT NULL,
    last_four    text   COLLATE "C" NOT NULL,
    sealed       bytea,
    scopes       text   COLLATE "C",
    audiences    text   COLLATE "C",                         -- for which it handles sessions; NULL: any
    ip_allow     text   COLLATE "C",
    rate_limit   text   COLLATE "C",
    limited_with text   COLLATE "C",                         -- the key in whose rate limit it counts; NULL: its own
    created_at   bigint NOT NULL,
    created_by   text   COLLATE "C",                         -- the person it goes back to first; '': the command line
    created_with text   COLLATE "C",                         -- the key it was created with
    lineage      text   COLLATE "C",                         -- a row of `lineages`; NULL: none
    expires_at   bigint,
    last_used_at bigint,
    revoked_at   bigint,
    tenant       text   COLLATE "C"                          -- the first key of its rotations; NULL: itself
);
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
    lineage text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (lineage, user_id)
);
CREATE INDEX lineages_user_id ON lineages (user_id);

-- One number that rises with every change to what a key may do: workers ask for it, and forget what they remember of
-- keys when it moves.
CREATE TABLE access (
    "only"  integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    version bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO access VALUES (1, 1);


---- signing in

-- People who are signed in: to the pages (`audience` is NULL), or to an application. Of what they show, only the digest
-- is kept. Of an application, `family` is the digest of what all refresh tokens of a session have in common,
-- `refresh_digest` that of the one that is valid now.
CREATE TABLE sessions (
    id                 text   COLLATE "C" NOT NULL PRIMARY KEY,
    digest             bytea  NOT NULL CONSTRAINT "sessions.digest" UNIQUE,
    user_id            text   COLLATE "C" NOT NULL,
    created_at         bigint NOT NULL,
    last_seen_at       bigint NOT NULL,
    address            text   COLLATE "C" NOT NULL,
    user_agent         text   COLLATE "C" NOT NULL,
    proven_at          bigint,              -- when they last proved who they are, if after the beginning
    audience           text   COLLATE "C",
    family             bytea,
    refresh_digest     bytea,
    expires_at         bigint,
    refresh_expires_at bigint,
    created_by         text   COLLATE "C",
    lineage            text   COLLATE "C",  -- as in `keys`, if it began with a one-time token
    user_seq           bigint               -- where the user's row is found at once
);
CREATE INDEX sessions_user_id ON sessions (user_id, id);
CREATE UNIQUE INDEX sessions_family ON sessions (family) WHERE family IS NOT NULL;
CREATE INDEX sessions_refresh_expires_at ON sessions (refresh_expires_at) WHERE audience IS NOT NULL;
-- By these two, only the dashboard's sessions end.
CREATE INDEX sessions_created_at ON sessions (created_at) WHERE audience IS NULL;
CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at) WHERE audience IS NULL;
CREATE INDEX sessions_lineage ON sessions (lineage) WHERE lineage IS NOT NULL;

-- Keys that sign access tokens: the private part is encrypted. From `signs_from` on, each signs until a newer one does.
CREATE TABLE signing_keys (
    id         text   COLLATE "C" NOT NULL PRIMARY KEY,
    public     bytea  NOT NULL,
    sealed     bytea  NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL
);

-- Tokens with which somebody does one thing once: accept an invitation, set a password, confirm an email, sign in. Of
-- their text only the digest is kept. A user has at most one of a purpose; the newest counts. `created_by`,
-- `created_with`, `lineage` and `audiences` are as in `keys`.
CREATE TABLE one_time_tokens (
    id           text    COLLATE "C" NOT NULL PRIMARY KEY,
    digest       bytea   NOT NULL CONSTRAINT "one_time_tokens.digest" UNIQUE,
    user_id      text    COLLATE "C" NOT NULL,
    purpose      text    COLLATE "C" NOT NULL,
    email        text    COLLATE "C",
    redirect_url text    COLLATE "C" NOT NULL,
    data         text    COLLATE "C",
    language     text    COLLATE "C",
    sealed       bytea,
    is_sent      integer NOT NULL DEFAULT 0,
    delivered_by text    COLLATE "C",
    created_by   text    COLLATE "C",
    created_with text    COLLATE "C",
    lineage      text    COLLATE "C",
    audiences    text    COLLATE "C",
    created_at   bigint  NOT NULL,
    expires_at   bigint  NOT NULL,
    CONSTRAINT "one_time_tokens.purpose" UNIQUE (user_id, purpose)
);
CREATE INDEX one_time_tokens_created_by ON one_time_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);
-- Tokens whose text waits for its delivery, by the webhook that delivers it.
CREATE INDEX one_time_tokens_waiting ON one_time_tokens (delivered_by) WHERE sealed IS NOT NULL;
CREATE INDEX one_time_tokens_lineage ON one_time_tokens (lineage) WHERE lineage IS NOT NULL;

-- Requests for one-time tokens, for a moment: a job turns them into tokens. All of a request is sealed, since it may
-- name people who have no account here.
CREATE TABLE token_requests (
    id     text  COLLATE "C" NOT NULL PRIMARY KEY,
    sealed bytea NOT NULL
);

-- Second factors: authenticator apps (`totp`, their secret encrypted) and passkeys. Without `confirmed_at`, it is not
-- asked for yet. `last_step` is the time step of the last code: a code works once.
CREATE TABLE second_factors (
    id            text    COLLATE "C" NOT NULL PRIMARY KEY,
    user_id       text    COLLATE "C" NOT NULL,
    kind          text    COLLATE "C" NOT NULL,
    name          text    COLLATE "C" NOT NULL,
    secret        bytea,
    last_step     bigint,
    credential_id bytea   CONSTRAINT "second_factors.credential_id" UNIQUE,
    public_key    bytea,
    sign_count    bigint,
    transports    text    COLLATE "C",
    vouched       integer NOT NULL DEFAULT 0,  -- 1: set by an admin or an import (actions/tokens.py)
    created_at    bigint  NOT NULL,
    confirmed_at  bigint,
    last_used_at  bigint
);
CREATE INDEX second_factors_user_id ON second_factors (user_id, id);
CREATE INDEX second_factors_unconfirmed ON second_factors (created_at) WHERE confirmed_at IS NULL;

-- Codes on paper, each of which works once instead of a factor. Known by digest.
CREATE TABLE recovery_codes (
    user_id    text   COLLATE "C" NOT NULL,
    digest     bytea  NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (user_id, digest)
);

-- Since when people who need a second factor have had time to set one up.
CREATE TABLE second_factor_grace (
    user_id  text   COLLATE "C" NOT NULL PRIMARY KEY,
    began_at bigint NOT NULL
);

-- What somebody has begun and ends with a second factor within minutes: a sign-in with the right password, or a
-- passkey. Known by digest.
CREATE TABLE challenges (
    digest     bytea  NOT NULL PRIMARY KEY,
    user_id    text   COLLATE "C" NOT NULL,
    purpose    text   COLLATE "C" NOT NULL,
    data       text   COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX challenges_user_id ON challenges (user_id, created_at);
CREATE INDEX challenges_expires_at ON challenges (expires_at);

-- Wrong passwords and codes in a row: of a user, or of one of the rows that others share (records/failed_guesses.py).
CREATE TABLE failed_guesses (
    account  text   COLLATE "C" NOT NULL,
    kind     text   COLLATE "C" NOT NULL,
    failures bigint NOT NULL,
    PRIMARY KEY (account, kind)
);

-- The parameters that stored password hashes have ($argon2id$v=19$m=19456,t=2,p=1$), and what one costs: KiB times
-- passes. A search for users who have them sets `in_doubt`, and forgets what is still in doubt at its end.
CREATE TABLE password_parameters (
    cost       bigint  NOT NULL,
    parameters text    COLLATE "C" NOT NULL,
    in_doubt   integer NOT NULL,
    users      bigint  NOT NULL DEFAULT 0,  -- who have them, when they were last counted
    most       bigint  NOT NULL DEFAULT 0,  -- who had them at most, as far as is known
    counted_at bigint  NOT NULL DEFAULT 0,  -- 0: never
    PRIMARY KEY (cost, parameters)
);


---- SCIM

-- What identity providers keep here of a user by SCIM, beside what everybody sees of them. `user_name_key` is unique
-- among those who live: a deleted user's is free for others, who take it over. `version` counts these changes alone.
CREATE TABLE scim_users (
    user_id       text    COLLATE "C" NOT NULL PRIMARY KEY,
    user_name     text    COLLATE "C",
    user_name_key text    COLLATE "C" CONSTRAINT "scim_users.user_name_key" UNIQUE,
    attributes    text    COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    updated_at    bigint  NOT NULL
);

-- The identifiers that each identity provider (`tenant`, the first of its keys) has for users and groups.
CREATE TABLE scim_external_ids (
    tenant      text COLLATE "C" NOT NULL,
    object_id   text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, object_id),
    CONSTRAINT "scim_external_ids.tenant" UNIQUE (tenant, kind, external_id)
);
CREATE INDEX scim_external_ids_object_id ON scim_external_ids (object_id);


---- events

-- What happened. Transactions commit in another order than they write in, so each appends to `events_new`; whoever
-- reads first moves what is committed by then into `events` and numbers it (`numbers`). So `seq` rises with every
-- commit, and a reader can resume from the last it saw.
CREATE TABLE events (
    seq            bigint NOT NULL PRIMARY KEY,
    id             text   COLLATE "C" NOT NULL,
    type           text   COLLATE "C" NOT NULL,
    user_id        text   COLLATE "C" NOT NULL,
    created_at     bigint NOT NULL,
    actor_user     text   COLLATE "C",
    actor_key      text   COLLATE "C",
    key_created_by text   COLLATE "C",  -- who created the key, where that is not its own user
    address        text   COLLATE "C",
    request_id     text   COLLATE "C",
    trace_id       text   COLLATE "C",  -- of the distributed trace, from traceparent
    client         text   COLLATE "C",  -- the assistant, over MCP
    object         text   COLLATE "C" NOT NULL,
    before         text   COLLATE "C"
);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_user_id ON events (user_id, seq);
CREATE INDEX events_type ON events (type, seq);

-- `written_at` is by the clock of the database: the clocks of several servers differ, and changes of one user must not
-- change places.
CREATE TABLE events_new (
    id             text        COLLATE "C" NOT NULL PRIMARY KEY,
    type           text        COLLATE "C" NOT NULL,
    user_id        text        COLLATE "C" NOT NULL,
    created_at     bigint      NOT NULL,
    actor_user     text        COLLATE "C",
    actor_key      text        COLLATE "C",
    key_created_by text        COLLATE "C",
    address        text        COLLATE "C",
    request_id     text        COLLATE "C",
    trace_id       text        COLLATE "C",
    client         text        COLLATE "C",
    object         text        COLLATE "C" NOT NULL,
    before         text        COLLATE "C",
    written_at     timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 100000000);

-- Large metadata in events, once for all events that hold it: their text has the digest in its place.
CREATE TABLE event_metadata (
    user_id   text   COLLATE "C" NOT NULL,
    digest    text   COLLATE "C" NOT NULL,
    last_used bigint NOT NULL,
    value     text   COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX event_metadata_last_used ON event_metadata (last_used);

-- Places in the log of events that were erased with their user: a consumer that has read one resumes from there.
CREATE TABLE erased_events (
    seq bigint NOT NULL PRIMARY KEY,
    id  text   COLLATE "C" NOT NULL
);
CREATE INDEX erased_events_id ON erased_events (id);

-- Changes that imports with events=summary leave out of the event log: when which users were added (is_new, those of a
-- batch together) or changed. Without them, the log would tell what a user was like in the meantime, and be wrong.
CREATE TABLE unlogged_changes (
    first_seq  bigint  NOT NULL,
    last_seq   bigint  NOT NULL,
    changed_at bigint  NOT NULL,
    is_new     integer NOT NULL
);
CREATE INDEX unlogged_changes_first_seq ON unlogged_changes (is_new, first_seq, changed_at);
CREATE INDEX unlogged_changes_changed_at ON unlogged_changes (changed_at);


---- requests

-- Answers to POST requests that came with an Idempotency-Key, sealed; `status` is NULL while the first request runs.
CREATE TABLE replies (
    user_id    text   COLLATE "C" NOT NULL,
    key        text   COLLATE "C" NOT NULL,
    request    bytea  NOT NULL,
    owner      text   COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    status     integer,
    head       bytea,
    sealed     bytea,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX replies_started_at ON replies (started_at);

-- Requests of a key in an hour, `hour` being its first microsecond. Rows whose `key_id` is empty count all keys of the
-- user together, since a user with many keys has thousands of rows for each of these; if `user_id` is empty, too, the
-- whole server.
CREATE TABLE usage (
    hour     bigint  NOT NULL,
    user_id  text    COLLATE "C" NOT NULL,
    key_id   text    COLLATE "C" NOT NULL,
    requests integer NOT NULL,
    errors   integer NOT NULL,
    refused  integer NOT NULL,
    limited  integer NOT NULL,
    PRIMARY KEY (hour, user_id, key_id)
) WITH (fillfactor = 70);
CREATE INDEX usage_of_key ON usage (user_id, key_id, hour);

-- Which window refused a key's requests of that hour, and how many.
CREATE TABLE usage_limits (
    hour    bigint  NOT NULL,
    user_id text    COLLATE "C" NOT NULL,
    key_id  text    COLLATE "C" NOT NULL,
    name    text    COLLATE "C" NOT NULL,
    limited integer NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, name)
);
CREATE INDEX usage_limits_user_id ON usage_limits (user_id, hour);

-- Requests of a key to an endpoint: of an hour, and once the hours are folded, of a day, `hour` being its first
-- microsecond. `t0` to `t9` count them by duration: up to 0.25, 0.5, 1, 2.5, 5, 10, 50, 250 and 1,000 ms, and longer.
CREATE TABLE usage_routes (
    hour     bigint  NOT NULL,
    user_id  text    COLLATE "C" NOT NULL,
    key_id   text    COLLATE "C" NOT NULL,
    route    text    COLLATE "C" NOT NULL,
    requests integer NOT NULL,
    errors   integer NOT NULL,
    refused  integer NOT NULL,
    limited  integer NOT NULL,
    t0       integer NOT NULL,
    t1       integer NOT NULL,
    t2       integer NOT NULL,
    t3       integer NOT NULL,
    t4       integer NOT NULL,
    t5       integer NOT NULL,
    t6       integer NOT NULL,
    t7       integer NOT NULL,
    t8       integer NOT NULL,
    t9       integer NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, route)
) WITH (fillfactor = 70);
CREATE INDEX usage_routes_of_key ON usage_routes (user_id, key_id, hour);

-- Users erased for good, of whom a worker may still write down what they did just before.
CREATE TABLE erased_usage (
    user_id   text   COLLATE "C" NOT NULL PRIMARY KEY,
    erased_at bigint NOT NULL
);
CREATE INDEX erased_usage_erased_at ON erased_usage (erased_at);

-- Requests of a key with the same status, packed as records/usage.py does it; `left_out` more were only counted.
CREATE TABLE request_log (
    id         uuid    NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id    text    COLLATE "C" NOT NULL,
    key_id     text    COLLATE "C" NOT NULL,
    status     integer NOT NULL,
    limited_by text    COLLATE "C",
    first      bigint  NOT NULL,
    last       bigint  NOT NULL,
    left_out   integer NOT NULL,
    lines      bytea   NOT NULL
);
CREATE INDEX request_log_user_id ON request_log (user_id, last, first, status, key_id);
CREATE INDEX request_log_last ON request_log (last);

-- Bytes of the request log by the hour of its lines, so that its size is known without reading it.
CREATE TABLE request_log_sizes (
    hour  bigint PRIMARY KEY,
    bytes bigint NOT NULL
) WITH (fillfactor = 70);


---- webhooks

-- Endpoints that events are sent to. `url`, `headers` and the secrets are for the server alone; sealed as revealable
-- keys are. `created_by`, `created_with` and `lineage` are as in `keys`: of who created a webhook, or last chose where
-- it sends.
CREATE TABLE webhooks (
    id               text    COLLATE "C" NOT NULL PRIMARY KEY,
    user_id          text    COLLATE "C" NOT NULL,
    url              text    COLLATE "C" NOT NULL,
    sealed_url       bytea,                       -- of a chat, whose URL is a credential: masked in `url`
    description      text    COLLATE "C" NOT NULL,
    types            text    COLLATE "C" NOT NULL,
    format           text    COLLATE "C" NOT NULL,
    payload          text    COLLATE "C" NOT NULL,
    ordering         text    COLLATE "C" NOT NULL,
    skip_imports     integer NOT NULL DEFAULT 0,  -- whether it is not sent what imports do
    headers          bytea,
    secret           bytea   NOT NULL,
    old_secret       bytea,
    old_secret_until bigint,
    status           text    COLLATE "C" NOT NULL,
    status_reason    text    COLLATE "C",
    status_by        text    COLLATE "C",         -- a user's ID, `cli` or `system`
    status_at        bigint,
    version          bigint  NOT NULL,
    created_at       bigint  NOT NULL,
    created_by       text    COLLATE "C",
    created_with     text    COLLATE "C",
    lineage          text    COLLATE "C",
    updated_at       bigint  NOT NULL
);
CREATE INDEX webhooks_user_id ON webhooks (user_id, id);

-- How far each endpoint is in the event log: all events up to `seq` are delivered, not asked for, or in
-- `webhook_lanes`. `holder` sends to it until the database's clock shows `until`; `epoch` rises with each holder, so
-- that an earlier one can write nothing. `missed`: events that were past their retention before they could be sent,
-- since it was told, at `told_at`.
CREATE TABLE webhook_cursors (
    webhook_id    text   COLLATE "C" NOT NULL PRIMARY KEY,
    seq           bigint NOT NULL,
    holder        text   COLLATE "C" NOT NULL,
    epoch         bigint NOT NULL,
    until         bigint NOT NULL,
    failures      bigint NOT NULL,
    failing_since bigint,
    probes        bigint NOT NULL,
    open_until    bigint,
    missed        bigint NOT NULL DEFAULT 0,
    told_at       bigint NOT NULL DEFAULT 0
);

-- What failed and is tried again: of each lane (a user, or one event where order does not matter) the first event that
-- is not delivered.
CREATE TABLE webhook_lanes (
    webhook_id text   COLLATE "C" NOT NULL,
    lane       text   COLLATE "C" NOT NULL,
    seq        bigint NOT NULL,
    attempts   bigint NOT NULL,
    next_at    bigint NOT NULL,
    failed_at  bigint NOT NULL,
    outcome    text   COLLATE "C" NOT NULL,
    PRIMARY KEY (webhook_id, lane)
);

-- Every attempt to deliver an event. What was sent is not kept, but made again from the event log when it is looked at.
CREATE TABLE webhook_deliveries (
    id            text   COLLATE "C" NOT NULL,
    webhook_id    text   COLLATE "C" NOT NULL,
    seq           bigint NOT NULL,
    event_id      text   COLLATE "C" NOT NULL,
    type          text   COLLATE "C" NOT NULL,
    user_id       text   COLLATE "C" NOT NULL,
    trigger       text   COLLATE "C" NOT NULL,
    attempt       bigint NOT NULL,
    created_at    bigint NOT NULL,
    duration      bigint NOT NULL,
    outcome       text   COLLATE "C" NOT NULL,
    http_status   bigint,
    address       text   COLLATE "C",
    retry_at      bigint,
    response_type text   COLLATE "C",
    response      text   COLLATE "C"
);
CREATE INDEX webhook_deliveries_id ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_user_id ON webhook_deliveries (user_id, id);

-- Deliveries of each hour since 1970, for the plots.
CREATE TABLE webhook_hours (
    webhook_id text   COLLATE "C" NOT NULL,
    hour       bigint NOT NULL,
    delivered  bigint NOT NULL,
    failed     bigint NOT NULL,
    duration   bigint NOT NULL,
    PRIMARY KEY (webhook_id, hour)
);

-- Parts of the event log that are sent again, on request.
CREATE TABLE webhook_replays (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id  text   COLLATE "C" NOT NULL,
    trigger     text   COLLATE "C" NOT NULL,
    first_seq   bigint NOT NULL,
    next_seq    bigint NOT NULL,
    last_seq    bigint NOT NULL,
    types       text   COLLATE "C" NOT NULL,
    user_id     text   COLLATE "C" NOT NULL,
    selection   text   COLLATE "C" NOT NULL,
    status      text   COLLATE "C" NOT NULL,
    delivered   bigint NOT NULL,
    failed      bigint NOT NULL,
    created_by  text   COLLATE "C" NOT NULL,
    created_at  bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX webhook_replays_webhook_id ON webhook_replays (webhook_id, id);
-- Replays that run are looked for all the time.
CREATE INDEX webhook_replays_running ON webhook_replays (id) WHERE status = 'running';

-- What arrived at endpoints inside the product, for trying.
CREATE TABLE webhook_inbox (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id  text   COLLATE "C" NOT NULL,
    user_id     text   COLLATE "C" NOT NULL,
    received_at bigint NOT NULL,
    headers     text   COLLATE "C" NOT NULL,
    body        text   COLLATE "C" NOT NULL
);
CREATE INDEX webhook_inbox_webhook_id ON webhook_inbox (webhook_id, id);
CREATE INDEX webhook_inbox_user_id ON webhook_inbox (user_id, id);


---- imports and bulk jobs

-- Imports of files of users that run in the background. The file lies in the data folder of the server that received
-- it.
CREATE TABLE imports (
    id               text   COLLATE "C" PRIMARY KEY,
    user_id          text   COLLATE "C" NOT NULL,
    key_id           text   COLLATE "C",
    session_id       text   COLLATE "C",                            -- in which it was created, if that has a lineage
    address          text   COLLATE "C",
    options          text   COLLATE "C" NOT NULL,                   -- a JSON object
    unknown_hashes   text   COLLATE "C" NOT NULL DEFAULT 'refuse',  -- an option, too: `refuse` or `skip`
    status           text   COLLATE "C" NOT NULL,                   -- waiting, running, finished, failed or canceled
    error            text   COLLATE "C",
    error_code       text   COLLATE "C",                            -- why, without words: events carry this
    runner           text   COLLATE "C",                            -- whichever process may write its progress
    seen_at          bigint NOT NULL,                               -- when a server last had its file
    bytes            bigint NOT NULL,
    bytes_read       bigint NOT NULL,
    records          bigint NOT NULL,
    added            bigint NOT NULL,
    updated          bigint NOT NULL,
    unchanged        bigint NOT NULL,
    skipped          bigint NOT NULL,
    refused          bigint NOT NULL,
    without_password bigint NOT NULL DEFAULT 0,                     -- their hash is not known
    weak_hashes      bigint NOT NULL DEFAULT 0,                     -- easy to guess at
    created_at       bigint NOT NULL,
    started_at       bigint,
    finished_at      bigint
);
CREATE INDEX imports_unfinished ON imports (id) WHERE finished_at IS NULL;

-- Records of a file that were refused, and why; and users who were imported without their password (`user_id`).
CREATE TABLE import_refusals (
    import_id text   COLLATE "C" NOT NULL,
    number    bigint NOT NULL,
    line      bigint NOT NULL,
    field     text   COLLATE "C",
    code      text   COLLATE "C" NOT NULL,
    reason    text   COLLATE "C" NOT NULL,
    user_id   text   COLLATE "C",
    PRIMARY KEY (import_id, number)
);

-- What whoever started an import may see of its file, encrypted: its columns (`IMPORT_ID/columns`), and the records
-- that were refused, as they were, in pieces (`IMPORT_ID/NUMBER`).
CREATE TABLE import_rows (
    id     text   COLLATE "C" NOT NULL PRIMARY KEY,
    size   bigint NOT NULL,
    sealed bytea  NOT NULL
);

-- Changes of many users that run in the background.
CREATE TABLE bulk_jobs (
    id          text   COLLATE "C" PRIMARY KEY,
    user_id     text   COLLATE "C" NOT NULL,
    key_id      text   COLLATE "C",
    session_id  text   COLLATE "C",           -- in which it was created, if that has a lineage
    address     text   COLLATE "C",
    action      text   COLLATE "C" NOT NULL,
    options     text   COLLATE "C" NOT NULL,  -- a JSON object
    undoes      text   COLLATE "C",           -- the job whose changes this one puts back
    status      text   COLLATE "C" NOT NULL,  -- collecting, queued, running, finished, failed or canceled
    error       text   COLLATE "C",
    error_code  text   COLLATE "C",
    parts_done  bigint NOT NULL,
    total       bigint NOT NULL,
    done        bigint NOT NULL,
    changed     bigint NOT NULL,
    unchanged   bigint NOT NULL,
    refused     bigint NOT NULL,
    created_at  bigint NOT NULL,
    started_at  bigint,
    finished_at bigint
);
CREATE INDEX bulk_jobs_unfinished ON bulk_jobs (id) WHERE finished_at IS NULL;

-- The users of a job, some hundred at a time, and what became of them.
CREATE TABLE bulk_job_parts (
    id      text   COLLATE "C" PRIMARY KEY,  -- that of the job, a slash and six digits
    changed bigint NOT NULL,
    refused bigint NOT NULL,
    users   text   COLLATE "C" NOT NULL,     -- IDs, each with the role to put back if there is one
    results text   COLLATE "C",              -- a JSON list; NULL: not done yet
    sealed  bytea                            -- the links that were created
);
CREATE INDEX bulk_job_parts_sealed ON bulk_job_parts (id) WHERE sealed IS NOT NULL;


---- the server

-- How far what goes on by itself has come. `events.expired`: the highest number of an event that retention has removed.
CREATE TABLE marks (
    name   text   COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL
);

-- Which server does what only one needs to do at a time, until when by the clock of the database.
CREATE TABLE leases (
    name   text        COLLATE "C" NOT NULL PRIMARY KEY,
    holder text        COLLATE "C" NOT NULL,
    until  timestamptz NOT NULL
);

-- What all servers on this database must have in common.
CREATE TABLE server_secret (
    "only"      integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    fingerprint bytea   NOT NULL
);
