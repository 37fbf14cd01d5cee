-- Where an application hears of its sessions that ended, and those of which it has not heard yet. `due_at` is when it is
-- told next, 0: at once.
ALTER TABLE clients ADD COLUMN backchannel_logout_url text COLLATE "C";
CREATE TABLE sign_outs (
    session_id text    COLLATE "C" NOT NULL PRIMARY KEY,
    user_id    text    COLLATE "C" NOT NULL,
    client_id  text    COLLATE "C" NOT NULL,
    attempts   integer NOT NULL,
    due_at     bigint  NOT NULL
);
CREATE INDEX sign_outs_due ON sign_outs (client_id, due_at);

-- A trigger, so that whatever ends a session tells of it.
CREATE FUNCTION note_sign_out() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    INSERT INTO sign_outs (session_id, user_id, client_id, attempts, due_at)
    SELECT OLD.id, OLD.user_id, user_id, 0, 0 FROM clients
    WHERE user_id = OLD.audience AND backchannel_logout_url IS NOT NULL
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER sessions_ended AFTER DELETE ON sessions FOR EACH ROW WHEN (OLD.scope IS NOT NULL) EXECUTE FUNCTION note_sign_out();
