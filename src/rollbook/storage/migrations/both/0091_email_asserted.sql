-- 1: an import, an identity provider or an adoption has given this user the email that they have (actions/adoption.py).
ALTER TABLE users ADD COLUMN email_asserted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deleted_users ADD COLUMN email_asserted INTEGER NOT NULL DEFAULT 0;
