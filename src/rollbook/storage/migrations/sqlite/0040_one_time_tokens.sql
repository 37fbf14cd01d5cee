-- Tokens with which somebody does one thing once: accept an invitation, set a password, confirm an email, sign in. Of
-- their text only the digest is kept. A user has at most one of a purpose; the newest counts.
CREATE TABLE one_time_tokens (
    id           TEXT    NOT NULL PRIMARY KEY,
    digest       BLOB    NOT NULL UNIQUE,
    user_id      TEXT    NOT NULL,
    purpose      TEXT    NOT NULL,
    email        TEXT,
    redirect_url TEXT    NOT NULL,
    data         TEXT,
    language     TEXT,
    sealed       BLOB,
    is_sent      INTEGER NOT NULL DEFAULT 0,
    delivered_by TEXT,
    created_by   TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    UNIQUE (user_id, purpose)
) WITHOUT ROWID, STRICT;
CREATE INDEX one_time_tokens_created_by ON one_time_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);

-- The open links of before. Where they lead is in their text.
INSERT INTO one_time_tokens (id, digest, user_id, purpose, redirect_url, created_at, expires_at)
SELECT 'tok_' || lower(hex(substr(digest, 1, 13))), digest, user_id, 'reset_password', '', created_at, expires_at
FROM password_links;
DELETE FROM password_links;
