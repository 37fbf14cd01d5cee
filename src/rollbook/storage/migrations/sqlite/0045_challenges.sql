-- What somebody has begun and ends with a second factor within minutes: a sign-in with the right password, or a passkey. Known by digest.
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
