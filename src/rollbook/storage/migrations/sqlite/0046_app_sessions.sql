-- Sessions of applications, told from the dashboard's (NULL) by their audience. `family` is the digest of what all
-- refresh tokens of a session have in common, `refresh_digest` that of the one that is valid now.
-- `user_seq` is the user's place in the list, where their row is found at once.
ALTER TABLE sessions ADD COLUMN audience TEXT;
ALTER TABLE sessions ADD COLUMN family BLOB;
ALTER TABLE sessions ADD COLUMN refresh_digest BLOB;
ALTER TABLE sessions ADD COLUMN expires_at INTEGER;
ALTER TABLE sessions ADD COLUMN refresh_expires_at INTEGER;
ALTER TABLE sessions ADD COLUMN created_by TEXT;
ALTER TABLE sessions ADD COLUMN user_seq INTEGER;
CREATE UNIQUE INDEX sessions_family ON sessions (family) WHERE family IS NOT NULL;
CREATE INDEX sessions_refresh_expires_at ON sessions (refresh_expires_at) WHERE audience IS NOT NULL;
-- By these two, only the dashboard's sessions end.
DROP INDEX sessions_created_at;
DROP INDEX sessions_last_seen_at;
CREATE INDEX sessions_created_at ON sessions (created_at) WHERE audience IS NULL;
CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at) WHERE audience IS NULL;
-- All that verifying a token reads of its session, so that it costs little more than reading a user.
CREATE INDEX sessions_verified ON sessions (digest, expires_at, user_seq, user_id) WHERE audience IS NOT NULL;
