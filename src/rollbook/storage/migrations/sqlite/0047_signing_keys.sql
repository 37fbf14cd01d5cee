-- Keys that sign access tokens: the private part is encrypted. From `signs_from` on, each signs until a newer one does.
CREATE TABLE signing_keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    public     BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
