-- A changed user leaves an old entry in the search index. FTS5 rewrites a part of the index once 10 % of its entries are old, which took half
-- of the time that changed users cost; at 50 % that is rare, and the index at most twice as large. What was erased is removed apart from this.
INSERT INTO user_search (user_search, rank) VALUES ('deletemerge', 50);
INSERT INTO user_words (user_words, rank) VALUES ('deletemerge', 50);
