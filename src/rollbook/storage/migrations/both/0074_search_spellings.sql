-- Search finds other spellings. Where there are users, a job looks through them for what the index lacks (records/user_search/rebuilding.py).
INSERT INTO marks (name, number) SELECT 'search.to_rebuild', 1 WHERE EXISTS (SELECT 1 FROM users);
