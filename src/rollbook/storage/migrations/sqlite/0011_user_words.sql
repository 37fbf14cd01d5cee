-- The beginnings of the words of names and emails, for search terms of one and two characters: the tokens are made by the program.
CREATE VIRTUAL TABLE user_words USING fts5 (text, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');

-- A row while users of before this table are brought into it: up to which place that is done, and up to which there were any.
CREATE TABLE user_words_building (
    done INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
INSERT INTO user_words_building SELECT 0, max(seq) FROM users HAVING max(seq) IS NOT NULL;
