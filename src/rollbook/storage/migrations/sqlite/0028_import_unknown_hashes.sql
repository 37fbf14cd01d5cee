-- What happens to users whose password hash is not known, how many were imported without it, and who they are.
ALTER TABLE imports ADD COLUMN unknown_hashes TEXT NOT NULL DEFAULT 'refuse';
ALTER TABLE imports ADD COLUMN without_password INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_refusals ADD COLUMN user_id TEXT;
