-- The key that a key, webhook or one-time token was created with, and the lineage of each: the users it goes back to, beside its own, as
-- IDs with spaces between them. NULL: none.
CREATE TABLE lineages (
    lineage text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (lineage, user_id)
);
CREATE INDEX lineages_user_id ON lineages (user_id);
ALTER TABLE keys ADD COLUMN created_with text COLLATE "C";
ALTER TABLE keys ADD COLUMN lineage text COLLATE "C";
ALTER TABLE webhooks ADD COLUMN created_with text COLLATE "C";
ALTER TABLE webhooks ADD COLUMN lineage text COLLATE "C";
ALTER TABLE one_time_tokens ADD COLUMN created_with text COLLATE "C";
ALTER TABLE one_time_tokens ADD COLUMN lineage text COLLATE "C";
UPDATE keys SET lineage = created_by WHERE created_by NOT IN ('', user_id);
UPDATE webhooks SET lineage = created_by WHERE created_by NOT IN ('', user_id);
UPDATE one_time_tokens SET lineage = created_by WHERE created_by NOT IN ('', user_id);
INSERT INTO lineages (lineage, user_id)
SELECT lineage, lineage FROM keys WHERE lineage IS NOT NULL
UNION SELECT lineage, lineage FROM webhooks WHERE lineage IS NOT NULL
UNION SELECT lineage, lineage FROM one_time_tokens WHERE lineage IS NOT NULL;
CREATE INDEX keys_lineage ON keys (lineage) WHERE lineage IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX keys_created_with ON keys (created_with) WHERE created_with IS NOT NULL;
CREATE INDEX one_time_tokens_lineage ON one_time_tokens (lineage) WHERE lineage IS NOT NULL;
