-- How many users an import added whose password hash is easy to guess at.
ALTER TABLE imports ADD COLUMN weak_hashes INTEGER NOT NULL DEFAULT 0;
