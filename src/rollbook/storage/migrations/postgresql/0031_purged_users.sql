-- Users who were erased for good: nobody else ever gets their ID.
CREATE TABLE purged_users (
    id text NOT NULL PRIMARY KEY
);
INSERT INTO purged_users (id) SELECT DISTINCT user_id FROM events WHERE type = 'user.purged';
