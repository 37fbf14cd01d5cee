-- Applications that people sign in to over OpenID Connect: where their answers may lead, and what they are told. Lists
-- have spaces between their items. The secret is a key of the kind `client`.
CREATE TABLE clients (
    user_id                   text    COLLATE "C" NOT NULL PRIMARY KEY,
    redirect_urls             text    COLLATE "C" NOT NULL,
    post_logout_redirect_urls text    COLLATE "C" NOT NULL,
    public_client             integer NOT NULL,
    sign_in_groups            text    COLLATE "C" NOT NULL,
    group_claims              text    COLLATE "C" NOT NULL,  -- `names` or `ids`
    role_claim                integer NOT NULL
);

-- Authorization codes, for a minute. `session_id` is the browser's: a code ends with it.
CREATE TABLE sign_in_codes (
    digest       bytea   NOT NULL PRIMARY KEY,
    client_id    text    COLLATE "C" NOT NULL,
    user_id      text    COLLATE "C" NOT NULL,
    session_id   text    COLLATE "C" NOT NULL,
    redirect_url text    COLLATE "C" NOT NULL,
    challenge    text    COLLATE "C",
    scope        text    COLLATE "C" NOT NULL,
    nonce        text    COLLATE "C",
    expires_at   bigint  NOT NULL
);
CREATE INDEX sign_in_codes_expires_at ON sign_in_codes (expires_at);
CREATE INDEX sign_in_codes_session_id ON sign_in_codes (session_id);

ALTER TABLE sessions ADD COLUMN methods text COLLATE "C";          -- how its person proved who they are (RFC 8176)
ALTER TABLE sessions ADD COLUMN scope text COLLATE "C";            -- of one that began with a code
ALTER TABLE sessions ADD COLUMN begun_in text COLLATE "C";         -- the browser's session in which the code was issued
CREATE INDEX sessions_begun_in ON sessions (begun_in) WHERE begun_in IS NOT NULL;

ALTER TABLE signing_keys ADD COLUMN algorithm text COLLATE "C" NOT NULL DEFAULT 'EdDSA';
