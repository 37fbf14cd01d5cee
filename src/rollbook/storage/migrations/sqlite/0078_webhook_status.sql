-- Who paused, resumed or disabled a webhook, and when: a user's ID, `cli` or `system`. NULL: before this version.
ALTER TABLE webhooks ADD COLUMN status_by TEXT;
ALTER TABLE webhooks ADD COLUMN status_at INTEGER;
