-- Tokens with which somebody does one thing once: accept an invitation, set a password, confirm an email, sign in. Of
-- their text only the digest is kept. A user has at most one of a purpose; the newest counts.
CREATE TABLE one_time_tokens (
    id           text    COLLATE "C" NOT NULL PRIMARY KEY,
    digest       bytea   NOT NULL CONSTRAINT "one_time_tokens.digest" UNIQUE,
    user_id      text    COLLATE "C" NOT NULL,
    purpose      text    COLLATE "C" NOT NULL,
    email        text    COLLATE "C",
    redirect_url text    COLLATE "C" NOT NULL,
    data         text    COLLATE "C",
    language     text    COLLATE "C",
    sealed       bytea,
    is_sent      integer NOT NULL DEFAULT 0,
    delivered_by text    COLLATE "C",
    created_by   text    COLLATE "C",
    created_at   bigint  NOT NULL,
    expires_at   bigint  NOT NULL,
    CONSTRAINT "one_time_tokens.purpose" UNIQUE (user_id, purpose)
);
CREATE INDEX one_time_tokens_created_by ON one_time_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);

-- The links of before. Where they lead is in their text.
INSERT INTO one_time_tokens (id, digest, user_id, purpose, redirect_url, created_at, expires_at)
SELECT 'tok_' || encode(substr(digest, 1, 13), 'hex'), digest, user_id, 'reset_password', '', created_at, expires_at
FROM password_links;

-- Triggers, so that links which servers of the version before this one create or end while they are being replaced are
-- created or ended here too, and the other way round.
CREATE FUNCTION keep_one_time_token() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF TG_OP <> ''INSERT'' THEN
        DELETE FROM one_time_tokens WHERE digest = OLD.digest;
    END IF;
    IF TG_OP <> ''DELETE'' THEN
        DELETE FROM one_time_tokens WHERE user_id = NEW.user_id AND purpose = ''reset_password'';
        INSERT INTO one_time_tokens (id, digest, user_id, purpose, redirect_url, created_at, expires_at)
        VALUES (''tok_'' || encode(substr(NEW.digest, 1, 13), ''hex''), NEW.digest, NEW.user_id, ''reset_password'', '''',
            NEW.created_at, NEW.expires_at);
    END IF;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER password_links_kept AFTER INSERT OR UPDATE OR DELETE ON password_links FOR EACH ROW EXECUTE FUNCTION keep_one_time_token();
CREATE FUNCTION drop_password_link() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    DELETE FROM password_links WHERE digest = OLD.digest;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER one_time_tokens_left AFTER DELETE OR UPDATE OF digest ON one_time_tokens FOR EACH ROW EXECUTE FUNCTION drop_password_link();
