-- FTS5 merges the segments of an index within the write that makes one too many, while all other writes wait: up to 0.3 s. The server merges
-- them instead, a few pages in a write (records/user_search/sqlite.py). A version before this one never does: it runs, with searches that
-- get slower until FTS5 merges by itself at 64 segments of a level.
INSERT INTO user_search (user_search, rank) VALUES ('automerge', 0);
INSERT INTO user_search (user_search, rank) VALUES ('crisismerge', 64);
INSERT INTO user_words (user_words, rank) VALUES ('automerge', 0);
INSERT INTO user_words (user_words, rank) VALUES ('crisismerge', 64);
