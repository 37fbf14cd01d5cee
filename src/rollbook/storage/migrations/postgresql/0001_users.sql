-- Text is compared by its bytes, as SQLite does, whatever the locale of the database. No SERIAL, no trigger, no rule: numbers come from the
-- application, and each index leads with, or is on, what a table could be distributed by. Uniqueness across users is in tables of their own
-- ("claims"), since a table that is partitioned or distributed by id can only be unique in id.

-- Users that live. `seq` is a user's place in the list: given once (table `numbers`), rising with created_at. `search_text` is what a search
-- by part of a name or an address looks through.
CREATE TABLE users (
    seq             bigint  NOT NULL,
    id              text    COLLATE "C" NOT NULL,
    name            text    COLLATE "C" NOT NULL,
    email           text    COLLATE "C" NOT NULL,
    email_key       text    COLLATE "C" NOT NULL,
    password_hash   text    COLLATE "C",
    role            text    COLLATE "C" NOT NULL,
    status          text    COLLATE "C" NOT NULL,
    external_id     text    COLLATE "C",
    metadata        text    COLLATE "C" NOT NULL,
    email_verified  integer NOT NULL,
    rate_limit      text    COLLATE "C",
    version         integer NOT NULL,
    created_at      bigint  NOT NULL,
    updated_at      bigint  NOT NULL,
    last_sign_in_at bigint,
    search_text     text    COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
) WITH (fillfactor = 90);
CREATE INDEX users_seq ON users (seq);
CREATE INDEX users_email_key ON users (email_key, seq);
CREATE INDEX users_external_id ON users (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX users_created_at ON users (created_at);
CREATE INDEX users_name ON users (name, seq);
CREATE INDEX users_role ON users (role, seq);
CREATE INDEX users_status ON users (status, seq);

-- Who has an e-mail address, and who an identifier of the caller's own: the primary key decides a race.
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

-- Numbers that are given out: `next` is one more than the last one, `at` one microsecond later than the time of its user.
CREATE TABLE numbers (
    counter text   COLLATE "C" NOT NULL PRIMARY KEY,
    next    bigint NOT NULL,
    at      bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO numbers VALUES ('users', 1, 0), ('events', 1, 0);

-- Users that were deleted and can still be restored.
CREATE TABLE deleted_users (
    seq             bigint  NOT NULL,
    id              text    COLLATE "C" NOT NULL PRIMARY KEY,
    name            text    COLLATE "C" NOT NULL,
    email           text    COLLATE "C" NOT NULL,
    email_key       text    COLLATE "C" NOT NULL,
    password_hash   text    COLLATE "C",
    role            text    COLLATE "C" NOT NULL,
    status          text    COLLATE "C" NOT NULL,
    external_id     text    COLLATE "C",
    metadata        text    COLLATE "C" NOT NULL,
    email_verified  integer NOT NULL,
    rate_limit      text    COLLATE "C",
    version         integer NOT NULL,
    created_at      bigint  NOT NULL,
    updated_at      bigint  NOT NULL,
    last_sign_in_at bigint,
    search_text     text    COLLATE "C" NOT NULL,
    deleted_at      bigint  NOT NULL
);
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at, seq);

-- How many users live in each run of 64 places (level 1), of 4,096 (level 2) and of 262,144 (level 3), as far as they are folded; and what
-- has been added to or taken from runs of 64 since. Writers only append: a count that all of them change would make them wait for each other.
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
