-- Who created a key ('': the command line), so that a promotion can end those that others created; and the key whose rate limit it counts in, where that is not its own.
ALTER TABLE keys ADD COLUMN created_by text COLLATE "C";
ALTER TABLE keys ADD COLUMN limited_with text COLLATE "C";
UPDATE keys SET created_by = coalesce(creations.actor_user, '')
FROM (
    SELECT CAST(object AS json) ->> 'id' AS id, actor_user FROM events
    WHERE type IN ('key.created', 'key.rotated') AND (actor_user IS NULL OR (actor_user = user_id AND actor_key IS NULL))
) AS creations
WHERE creations.id = keys.id;
