-- How many users have each set of parameters, when they were last counted (0: never), and how many had it at most, as far as is known.
ALTER TABLE password_parameters ADD COLUMN users INTEGER NOT NULL DEFAULT 0;
ALTER TABLE password_parameters ADD COLUMN most INTEGER NOT NULL DEFAULT 0;
ALTER TABLE password_parameters ADD COLUMN counted_at INTEGER NOT NULL DEFAULT 0;
