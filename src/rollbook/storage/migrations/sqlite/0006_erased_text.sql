-- A row for each user erased for good whose letters the search index may still hold: a deleted entry is only marked there.
CREATE TABLE user_search_erased (
    number INTEGER PRIMARY KEY
) STRICT;
