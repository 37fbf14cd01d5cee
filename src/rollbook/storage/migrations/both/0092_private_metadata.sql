-- What the company keeps of a user and the user does not read.
ALTER TABLE users ADD COLUMN private_metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deleted_users ADD COLUMN private_metadata TEXT NOT NULL DEFAULT '{}';
