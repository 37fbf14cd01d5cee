-- People who are signed in to the pages. The text of their cookie is not kept, only its digest.
CREATE TABLE sessions (
    id           text   COLLATE "C" NOT NULL PRIMARY KEY,
    digest       bytea  NOT NULL CONSTRAINT "sessions.digest" UNIQUE,
    user_id      text   COLLATE "C" NOT NULL,
    created_at   bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    address      text   COLLATE "C" NOT NULL,
    user_agent   text   COLLATE "C" NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id, id);
CREATE INDEX sessions_created_at ON sessions (created_at);
CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at);

-- Links with which a user sets a password once. A user has at most one; the newest counts.
CREATE TABLE password_links (
    user_id    text   COLLATE "C" NOT NULL PRIMARY KEY,
    digest     bytea  NOT NULL CONSTRAINT "password_links.digest" UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX password_links_expires_at ON password_links (expires_at);
