-- API keys. Known by digest; `sealed` is the key encrypted with the server's secret, where its owner may see it again.
CREATE TABLE keys (
    id           text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id      text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    digest       bytea  NOT NULL CONSTRAINT "keys.digest" UNIQUE,
    start        text COLLATE "C" NOT NULL,
    last_four    text COLLATE "C" NOT NULL,
    sealed       bytea,
    scopes       text COLLATE "C",
    ip_allow     text COLLATE "C",
    rate_limit   text COLLATE "C",
    created_at   bigint NOT NULL,
    expires_at   bigint,
    last_used_at bigint,
    revoked_at   bigint
);
CREATE INDEX keys_user_id ON keys (user_id, id);

-- One number that rises with every change to what a key may do: workers ask for it, and forget what they remember of keys when it moves.
CREATE TABLE access (
    "only"  integer NOT NULL PRIMARY KEY CHECK ("only" = 1),
    version bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO access VALUES (1, 1);
