-- The language in which each person last used the pages, for mails to them.
CREATE TABLE user_languages (
    user_id  text COLLATE "C" NOT NULL PRIMARY KEY,
    language text COLLATE "C" NOT NULL
);
