-- The language in which each person last used the pages, for mails to them.
CREATE TABLE user_languages (
    user_id  TEXT NOT NULL PRIMARY KEY,
    language TEXT NOT NULL
) WITHOUT ROWID, STRICT;
