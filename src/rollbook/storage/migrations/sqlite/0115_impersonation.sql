-- Who acts as the user, with a token of the purpose `impersonate`, and why.
ALTER TABLE one_time_tokens ADD COLUMN acted_by TEXT;
ALTER TABLE one_time_tokens ADD COLUMN reason TEXT;
ALTER TABLE sessions ADD COLUMN acted_by TEXT;
ALTER TABLE sessions ADD COLUMN reason TEXT;
CREATE INDEX one_time_tokens_acted_by ON one_time_tokens (acted_by) WHERE acted_by IS NOT NULL;
CREATE INDEX sessions_acted_by ON sessions (acted_by) WHERE acted_by IS NOT NULL;

-- A trigger, so that whatever ends such a session in a browser ends those of applications that began in it.
CREATE TRIGGER impersonation_ended AFTER DELETE ON sessions WHEN OLD.acted_by IS NOT NULL AND OLD.audience IS NULL BEGIN
    DELETE FROM sessions WHERE begun_in = OLD.id AND begun_in IS NOT NULL;
END;
