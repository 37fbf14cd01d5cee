-- Users who can't sign in with their password until they have set another one.
CREATE TABLE new_passwords (user_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
