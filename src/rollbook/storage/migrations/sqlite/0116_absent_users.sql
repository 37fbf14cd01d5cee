-- What happens to users who are absent from a file: `ignore`, `report` or `suspend`. Of whom the file has all: of a
-- group, or of those with a value in their metadata. How many are absent, and the bulk job that suspends them.
-- Columns, and not options, so that the version before goes on with such an import, and leaves them alone.
ALTER TABLE imports ADD COLUMN absent TEXT NOT NULL DEFAULT 'ignore';
ALTER TABLE imports ADD COLUMN absent_group TEXT;
ALTER TABLE imports ADD COLUMN absent_metadata TEXT;
ALTER TABLE imports ADD COLUMN absent_users INTEGER;
ALTER TABLE imports ADD COLUMN absent_job_id TEXT;
