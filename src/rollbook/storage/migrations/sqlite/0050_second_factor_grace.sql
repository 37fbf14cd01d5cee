-- Since when people who need a second factor have had time to set one up.
CREATE TABLE second_factor_grace (
    user_id  TEXT    NOT NULL PRIMARY KEY,
    began_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
