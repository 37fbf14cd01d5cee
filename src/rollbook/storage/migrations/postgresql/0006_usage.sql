-- Requests of a key in an hour, `hour` being its first microsecond.
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
CREATE INDEX usage_user_id ON usage (user_id, hour);

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

-- All requests of an hour, also those without a key.
CREATE TABLE server_usage (
    hour     bigint NOT NULL PRIMARY KEY,
    requests bigint NOT NULL,
    errors   bigint NOT NULL,
    refused  bigint NOT NULL,
    limited  bigint NOT NULL
) WITH (fillfactor = 10);

-- Requests of a key with the same status, packed as observe/requests.py does it; `left_out` more were only counted.
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

-- Users erased for good, of whom a worker may still write down what they did just before.
CREATE TABLE erased_usage (
    user_id   text   COLLATE "C" NOT NULL PRIMARY KEY,
    erased_at bigint NOT NULL
);
CREATE INDEX erased_usage_erased_at ON erased_usage (erased_at);

-- Which server does what only one needs to do at a time (background.py), until when by the clock of the database.
CREATE TABLE leases (
    name   text COLLATE "C" NOT NULL PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    until  timestamptz NOT NULL
);

-- What all servers on this database must have in common.
CREATE TABLE server_secret (
    "only"      integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    fingerprint bytea   NOT NULL
);
