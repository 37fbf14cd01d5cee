-- Segments of the search index are merged once there are eight of a size instead of four: an entry is rewritten less often, a third of what
-- merging cost. A search looks into twice as many segments.
INSERT INTO user_search (user_search, rank) VALUES ('usermerge', 8);
INSERT INTO user_words (user_words, rank) VALUES ('usermerge', 8);
