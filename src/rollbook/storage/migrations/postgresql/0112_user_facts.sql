-- When a user was last active, to the minute; when Rollbook suspends them; and since when they have their
-- status, if that has ever changed: NULL is since they were created.
ALTER TABLE users ADD COLUMN ends_at bigint, ADD COLUMN last_active_at bigint, ADD COLUMN status_since bigint;
ALTER TABLE deleted_users ADD COLUMN ends_at bigint, ADD COLUMN last_active_at bigint, ADD COLUMN status_since bigint;
UPDATE users SET status_since = updated_at WHERE status = 'suspended';
UPDATE deleted_users SET status_since = updated_at WHERE status = 'suspended';
-- Who never was active comes before all others, who has no end behind them (records/user_list/query.py).
CREATE INDEX users_last_active_at ON users ((coalesce(last_active_at,0)), seq);
CREATE INDEX users_ends_at ON users ((coalesce(ends_at,4611686018427387904)), seq);
-- Whose end comes, for the job that suspends them.
CREATE INDEX users_due ON users (ends_at) WHERE ends_at IS NOT NULL AND status <> 'suspended';
