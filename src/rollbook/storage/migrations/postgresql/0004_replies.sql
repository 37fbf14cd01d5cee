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
