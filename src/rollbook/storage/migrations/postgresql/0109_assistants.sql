-- Of a code that an assistant got: the key that it is exchanged for.
ALTER TABLE sign_in_codes ADD COLUMN key_id text COLLATE "C";
