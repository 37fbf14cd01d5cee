-- The lineage of a session that began with a one-time token: the users that this goes back to. NULL: none.
ALTER TABLE sessions ADD COLUMN lineage TEXT;
CREATE INDEX sessions_lineage ON sessions (lineage) WHERE lineage IS NOT NULL;
DROP INDEX sessions_verified;
CREATE INDEX sessions_verified ON sessions (digest, expires_at, user_seq, user_id, lineage) WHERE audience IS NOT NULL;
-- The session that a job was created in, if that has a lineage.
ALTER TABLE bulk_jobs ADD COLUMN session_id TEXT;
ALTER TABLE imports ADD COLUMN session_id TEXT;
