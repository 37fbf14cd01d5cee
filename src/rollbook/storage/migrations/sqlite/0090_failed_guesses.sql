-- Wrong passwords and codes in a row: of a user, or of one of the rows that others share (records/failed_guesses.py).
CREATE TABLE failed_guesses (
    account  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) WITHOUT ROWID, STRICT;
