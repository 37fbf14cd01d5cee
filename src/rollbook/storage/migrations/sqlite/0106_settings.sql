-- Settings that owners write in the dashboard. The sum of the versions rises with every change, so that each process sees
-- that there is something to read.
CREATE TABLE settings (
    name    TEXT    NOT NULL PRIMARY KEY,
    value   TEXT,             -- NULL: the default, or sealed
    sealed  BLOB,             -- instead of `value`, if it holds a password
    version INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
