-- The version before kinds of users deletes and restores them without theirs, and erases them without what SCIM keeps of them.
CREATE FUNCTION keep_user_kind() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    UPDATE deleted_users SET kind = OLD.kind WHERE id = OLD.id;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER user_kind_left AFTER DELETE ON users FOR EACH ROW WHEN (OLD.kind <> 'person') EXECUTE FUNCTION keep_user_kind();
CREATE FUNCTION end_deleted_user() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    UPDATE users SET kind = OLD.kind WHERE id = OLD.id AND kind <> OLD.kind;
    IF NOT EXISTS (SELECT 1 FROM users WHERE id = OLD.id) THEN
        DELETE FROM scim_users WHERE user_id = OLD.id;
        DELETE FROM scim_external_ids WHERE object_id = OLD.id;
    END IF;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER deleted_user_ended AFTER DELETE ON deleted_users FOR EACH ROW EXECUTE FUNCTION end_deleted_user();
