-- Users by date, and those of one date as they were added. It replaces the index of the date alone. Where there are users, a job builds the
-- one and removes the other while writes go on.
DO 'BEGIN
    IF NOT EXISTS (SELECT 1 FROM users) THEN
        CREATE INDEX users_dates ON users (created_at, seq);
        DROP INDEX users_created_at;
    END IF;
END';
