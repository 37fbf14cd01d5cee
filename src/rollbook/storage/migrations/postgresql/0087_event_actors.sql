-- The user who created the key of the request, where that is not the key's own user.
ALTER TABLE events ADD COLUMN key_created_by text COLLATE "C";
ALTER TABLE events_new ADD COLUMN key_created_by text COLLATE "C";
