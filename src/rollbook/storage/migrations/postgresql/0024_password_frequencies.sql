-- How many users have each set of parameters, when they were last counted (0: never), and how many had it at most, as far as is known.
ALTER TABLE password_parameters ADD COLUMN users bigint NOT NULL DEFAULT 0;
ALTER TABLE password_parameters ADD COLUMN most bigint NOT NULL DEFAULT 0;
ALTER TABLE password_parameters ADD COLUMN counted_at bigint NOT NULL DEFAULT 0;
