-- Who acts as the user, with a token of the purpose `impersonate`, and why.
ALTER TABLE one_time_tokens ADD COLUMN acted_by text COLLATE "C";
ALTER TABLE one_time_tokens ADD COLUMN reason text COLLATE "C";
ALTER TABLE sessions ADD COLUMN acted_by text COLLATE "C";
ALTER TABLE sessions ADD COLUMN reason text COLLATE "C";
CREATE INDEX one_time_tokens_acted_by ON one_time_tokens (acted_by) WHERE acted_by IS NOT NULL;
CREATE INDEX sessions_acted_by ON sessions (acted_by) WHERE acted_by IS NOT NULL;

-- A trigger, so that whatever ends such a session in a browser ends those of applications that began in it.
CREATE FUNCTION end_begun_in() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    DELETE FROM sessions WHERE begun_in = OLD.id AND begun_in IS NOT NULL;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER impersonation_ended AFTER DELETE ON sessions FOR EACH ROW WHEN (OLD.acted_by IS NOT NULL AND OLD.audience IS NULL) EXECUTE FUNCTION end_begun_in();
