-- Replays that run are looked for all the time.
CREATE INDEX webhook_replays_running ON webhook_replays (id) WHERE status = 'running';
-- Events that a webhook missed, since they were past their retention before they could be sent: how many there were since it was told, and when.
ALTER TABLE webhook_cursors ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook_cursors ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0;
