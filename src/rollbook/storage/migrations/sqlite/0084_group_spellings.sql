-- Groups are found without their accents. `search_text` has the spellings of the name (records/user_search/folding.py). NULL: a job writes it.
ALTER TABLE groups ADD COLUMN search_text TEXT;
-- A search in the order of names looks at no more than the index.
DROP INDEX groups_name_key;
CREATE INDEX groups_name_key ON groups (name_key, id, search_text);
CREATE INDEX groups_unspelled ON groups (id) WHERE search_text IS NULL;
-- The version before this one renames groups, too, while it is being replaced.
CREATE TRIGGER group_renamed AFTER UPDATE OF name_key ON groups
WHEN NEW.name_key <> OLD.name_key AND NEW.search_text IS OLD.search_text BEGIN
    UPDATE groups SET search_text = NULL WHERE id = NEW.id;
END;
