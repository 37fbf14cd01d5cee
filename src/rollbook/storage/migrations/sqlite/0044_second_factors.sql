-- Second factors: authenticator apps (`totp`, their secret encrypted) and passkeys. Without `confirmed_at`, it is not asked for yet.
-- `last_step` is the time step of the last code: a code works once.
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
