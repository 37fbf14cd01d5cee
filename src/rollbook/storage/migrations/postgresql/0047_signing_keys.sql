-- Keys that sign access tokens: the private part is encrypted. From `signs_from` on, each signs until a newer one does.
CREATE TABLE signing_keys (
    id         text   COLLATE "C" NOT NULL PRIMARY KEY,
    public     bytea  NOT NULL,
    sealed     bytea  NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL
);
