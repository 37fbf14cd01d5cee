-- Keys that work, or would if they had not expired, are counted before a user gets another one.
CREATE INDEX keys_live ON keys (user_id, expires_at) WHERE revoked_at IS NULL;
