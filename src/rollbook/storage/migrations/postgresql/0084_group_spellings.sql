-- Groups are found without their accents. `search_text` has the spellings of the name (records/user_search/folding.py). NULL: a job writes it.
ALTER TABLE groups ADD COLUMN search_text text COLLATE "C";
CREATE INDEX groups_unspelled ON groups (id) WHERE search_text IS NULL;
-- The version before this one renames groups, too, while it is being replaced.
CREATE FUNCTION forget_group_spellings() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF NEW.name_key <> OLD.name_key AND NEW.search_text IS NOT DISTINCT FROM OLD.search_text THEN
        NEW.search_text = NULL;
    END IF;
    RETURN NEW;
END';
CREATE OR REPLACE TRIGGER group_renamed BEFORE UPDATE OF name_key ON groups FOR EACH ROW EXECUTE FUNCTION forget_group_spellings();
