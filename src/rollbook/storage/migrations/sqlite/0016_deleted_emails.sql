-- Deleted users are looked up by the email they had, to be restored.
CREATE INDEX deleted_users_email_key ON deleted_users (email_key, deleted_at);
