-- Applications that people sign in to over OpenID Connect: where their answers may lead, and what they are told. Lists
-- have spaces between their items. The secret is a key of the kind `client`.
CREATE TABLE clients (
    user_id                   TEXT    NOT NULL PRIMARY KEY,
    redirect_urls             TEXT    NOT NULL,
    post_logout_redirect_urls TEXT    NOT NULL,
    public_client             INTEGER NOT NULL,
    sign_in_groups            TEXT    NOT NULL,
    group_claims              TEXT    NOT NULL,  -- `names` or `ids`
    role_claim                INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Authorization codes, for a minute. `session_id` is the browser's: a code ends with it.
CREATE TABLE sign_in_codes (
    digest       BLOB    NOT NULL PRIMARY KEY,
    client_id    TEXT    NOT NULL,
    user_id      TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    redirect_url TEXT    NOT NULL,
    challenge    TEXT,
    scope        TEXT    NOT NULL,
    nonce        TEXT,
    expires_at   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX sign_in_codes_expires_at ON sign_in_codes (expires_at);
CREATE INDEX sign_in_codes_session_id ON sign_in_codes (session_id);

ALTER TABLE sessions ADD COLUMN methods TEXT;          -- how its person proved who they are (RFC 8176)
ALTER TABLE sessions ADD COLUMN scope TEXT;            -- of one that began with a code
ALTER TABLE sessions ADD COLUMN begun_in TEXT;         -- the browser's session in which the code was issued
CREATE INDEX sessions_begun_in ON sessions (begun_in) WHERE begun_in IS NOT NULL;

ALTER TABLE signing_keys ADD COLUMN algorithm TEXT NOT NULL DEFAULT 'EdDSA';
