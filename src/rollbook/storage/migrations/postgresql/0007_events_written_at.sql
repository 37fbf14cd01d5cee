-- When an event was written, by the clock of the database: the clocks of several servers differ, and changes of one user must not change places.
ALTER TABLE events_new ADD COLUMN written_at timestamptz NOT NULL DEFAULT clock_timestamp();
