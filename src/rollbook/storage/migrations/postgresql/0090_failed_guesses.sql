-- Wrong passwords and codes in a row: of a user, or of one of the rows that others share (records/failed_guesses.py).
CREATE TABLE failed_guesses (
    account  text   COLLATE "C" NOT NULL,
    kind     text   COLLATE "C" NOT NULL,
    failures bigint NOT NULL,
    PRIMARY KEY (account, kind)
);
