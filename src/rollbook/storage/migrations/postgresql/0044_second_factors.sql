-- Second factors: authenticator apps (`totp`, their secret encrypted) and passkeys. Without `confirmed_at`, it is not asked for yet.
-- `last_step` is the time step of the last code: a code works once.
CREATE TABLE second_factors (
    id            text   COLLATE "C" NOT NULL PRIMARY KEY,
    user_id       text   COLLATE "C" NOT NULL,
    kind          text   COLLATE "C" NOT NULL,
    name          text   COLLATE "C" NOT NULL,
    secret        bytea,
    last_step     bigint,
    credential_id bytea  CONSTRAINT "second_factors.credential_id" UNIQUE,
    public_key    bytea,
    sign_count    bigint,
    transports    text   COLLATE "C",
    created_at    bigint NOT NULL,
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
