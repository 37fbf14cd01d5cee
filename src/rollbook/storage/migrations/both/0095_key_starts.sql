-- The beginning of a key that was found somewhere leads to its user, among the keys of all users.
CREATE INDEX keys_start ON keys (start);
