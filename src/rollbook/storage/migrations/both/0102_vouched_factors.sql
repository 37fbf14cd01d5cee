
-- 1: an admin or an import has set this second factor: who reads the mailbox alone doesn't lift it (actions/tokens.py).
ALTER TABLE second_factors ADD COLUMN vouched INTEGER NOT NULL DEFAULT 0;
UPDATE second_factors SET vouched = 1 WHERE name = 'Imported authenticator app';
