-- The version before kinds of users deletes and restores them without theirs, and erases them without what SCIM keeps of them.
CREATE TRIGGER user_kind_left AFTER DELETE ON users WHEN OLD.kind <> 'person' BEGIN
    UPDATE deleted_users SET kind = OLD.kind WHERE id = OLD.id;
END;
CREATE TRIGGER user_kind_came AFTER DELETE ON deleted_users WHEN OLD.kind <> 'person' BEGIN
    UPDATE users SET kind = OLD.kind WHERE id = OLD.id;
END;
CREATE TRIGGER scim_user_erased AFTER DELETE ON deleted_users WHEN NOT EXISTS (SELECT 1 FROM users WHERE id = OLD.id) BEGIN
    DELETE FROM scim_users WHERE user_id = OLD.id;
    DELETE FROM scim_external_ids WHERE object_id = OLD.id;
END;
