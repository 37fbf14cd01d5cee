-- What a user is: a `person`, or an `application`, which has no password and cannot sign in.
ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';
ALTER TABLE deleted_users ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';
