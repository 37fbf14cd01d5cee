-- Where an application hears of its sessions that ended, and those of which it has not heard yet. `due_at` is when it is
-- told next, 0: at once.
ALTER TABLE clients ADD COLUMN backchannel_logout_url TEXT;
CREATE TABLE sign_outs (
    session_id TEXT    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX sign_outs_due ON sign_outs (client_id, due_at);

-- A trigger, so that whatever ends a session tells of it.
CREATE TRIGGER sessions_ended AFTER DELETE ON sessions WHEN OLD.scope IS NOT NULL BEGIN
    INSERT OR IGNORE INTO sign_outs (session_id, user_id, client_id, attempts, due_at)
    SELECT OLD.id, OLD.user_id, user_id, 0, 0 FROM clients
    WHERE user_id = OLD.audience AND backchannel_logout_url IS NOT NULL;
END;
