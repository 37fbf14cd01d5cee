-- Who created a webhook, or last chose where it sends: it is disabled when they lose the right. NULL: not known. And the keys that
-- somebody created for others, which end then too.
ALTER TABLE webhooks ADD COLUMN created_by text;
UPDATE webhooks SET created_by = creations.actor_user
FROM (SELECT CAST(object AS json) ->> 'id' AS id, actor_user FROM events WHERE type = 'webhook.created') AS creations
WHERE creations.id = webhooks.id;
CREATE INDEX keys_created_by ON keys (created_by) WHERE revoked_at IS NULL AND created_by IS NOT NULL AND created_by != user_id;
