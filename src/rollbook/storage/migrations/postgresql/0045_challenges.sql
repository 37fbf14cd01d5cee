-- What somebody has begun and ends with a second factor within minutes: a sign-in with the right password, or a passkey. Known by digest.
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
