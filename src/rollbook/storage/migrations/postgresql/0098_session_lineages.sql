-- The lineage of a session that began with a one-time token: the users that this goes back to. NULL: none.
ALTER TABLE sessions ADD COLUMN lineage text COLLATE "C";
CREATE INDEX sessions_lineage ON sessions (lineage) WHERE lineage IS NOT NULL;
-- The session that a job was created in, if that has a lineage.
ALTER TABLE bulk_jobs ADD COLUMN session_id text COLLATE "C";
ALTER TABLE imports ADD COLUMN session_id text COLLATE "C";
