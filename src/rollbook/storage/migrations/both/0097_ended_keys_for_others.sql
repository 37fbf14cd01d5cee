-- The keys that go back to a user are found among those that ended, too: what was set with them stays.
DROP INDEX keys_created_by;
CREATE INDEX keys_created_by ON keys (created_by) WHERE created_by IS NOT NULL AND created_by != user_id;
DROP INDEX keys_lineage;
CREATE INDEX keys_lineage ON keys (lineage) WHERE lineage IS NOT NULL;
