-- Places in the log of events that were erased with their user: a consumer that has read one resumes from there.
CREATE TABLE erased_events (
    seq INTEGER PRIMARY KEY,
    id  TEXT NOT NULL UNIQUE
) STRICT;
