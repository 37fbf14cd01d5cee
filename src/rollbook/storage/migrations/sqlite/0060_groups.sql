-- Groups of users. `name_key` is the name as search compares it; `members` counts the rows of `group_members`.
CREATE TABLE groups (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    external_id TEXT    UNIQUE,
    metadata    TEXT    NOT NULL,
    members     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX groups_name_key ON groups (name_key, id);

-- `user_seq` is the user's place in the list: a group's members are read in that order. Only living users are here.
CREATE TABLE group_members (
    group_id TEXT    NOT NULL,
    user_seq INTEGER NOT NULL,
    user_id  TEXT    NOT NULL,
    role     TEXT    NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, user_seq)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX group_members_user_id ON group_members (user_id, group_id);

-- Those of deleted users, who get them back when they are restored.
CREATE TABLE deleted_group_members (
    user_id  TEXT    NOT NULL,
    group_id TEXT    NOT NULL,
    user_seq INTEGER NOT NULL,
    role     TEXT    NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, group_id)
) WITHOUT ROWID, STRICT;

-- Deleted groups of which members are left, which a job removes.
CREATE TABLE deleted_groups (id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;

-- Triggers, so that whatever deletes and restores users keeps it: the version before this one, too, while it is being
-- replaced.
CREATE TRIGGER group_members_left AFTER DELETE ON users
WHEN EXISTS (SELECT 1 FROM group_members WHERE user_id = OLD.id) BEGIN
    UPDATE groups SET members = members - 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    INSERT OR REPLACE INTO deleted_group_members (user_id, group_id, user_seq, role, added_at)
    SELECT user_id, group_id, user_seq, role, added_at FROM group_members WHERE user_id = OLD.id;
    DELETE FROM group_members WHERE user_id = OLD.id;
END;
-- Who leaves this table was restored, and is among the users, or erased.
CREATE TRIGGER group_members_came AFTER DELETE ON deleted_users
WHEN EXISTS (SELECT 1 FROM deleted_group_members WHERE user_id = OLD.id) BEGIN
    INSERT INTO group_members (group_id, user_seq, user_id, role, added_at)
    SELECT group_id, user_seq, user_id, role, added_at FROM deleted_group_members
    WHERE user_id = OLD.id AND group_id IN (SELECT id FROM groups) AND EXISTS (SELECT 1 FROM users WHERE id = OLD.id);
    UPDATE groups SET members = members + 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    DELETE FROM deleted_group_members WHERE user_id = OLD.id;
END;
