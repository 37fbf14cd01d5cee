-- Users who were erased for good: nobody else ever gets their ID.
CREATE TABLE purged_users (
    id TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID, STRICT;
INSERT INTO purged_users (id) SELECT DISTINCT user_id FROM events WHERE type = 'user.purged';
