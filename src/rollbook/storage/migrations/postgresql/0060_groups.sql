-- Groups of users. `name_key` is the name as search compares it; `members` counts the rows of `group_members`.
CREATE TABLE groups (
    id          text    COLLATE "C" NOT NULL PRIMARY KEY,
    name        text    COLLATE "C" NOT NULL,
    name_key    text    COLLATE "C" NOT NULL,
    external_id text    COLLATE "C" CONSTRAINT "groups.external_id" UNIQUE,
    metadata    text    COLLATE "C" NOT NULL,
    members     bigint  NOT NULL,
    version     bigint  NOT NULL,
    created_at  bigint  NOT NULL,
    updated_at  bigint  NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX groups_name_key ON groups (name_key, id);

-- `user_seq` is the user's place in the list: a group's members are read in that order. Only living users are here.
CREATE TABLE group_members (
    group_id text   COLLATE "C" NOT NULL,
    user_seq bigint NOT NULL,
    user_id  text   COLLATE "C" NOT NULL,
    role     text   COLLATE "C" NOT NULL,
    added_at bigint NOT NULL,
    PRIMARY KEY (group_id, user_seq)
);
CREATE UNIQUE INDEX group_members_user_id ON group_members (user_id, group_id);

-- Those of deleted users, who get them back when they are restored.
CREATE TABLE deleted_group_members (
    user_id  text   COLLATE "C" NOT NULL,
    group_id text   COLLATE "C" NOT NULL,
    user_seq bigint NOT NULL,
    role     text   COLLATE "C" NOT NULL,
    added_at bigint NOT NULL,
    PRIMARY KEY (user_id, group_id)
);

-- Deleted groups of which members are left, which a job removes.
CREATE TABLE deleted_groups (id text COLLATE "C" NOT NULL PRIMARY KEY);

-- Triggers, so that whatever deletes and restores users keeps it: the version before this one, too, while it is being
-- replaced. Groups are locked in the same order by all who change several.
CREATE FUNCTION hide_group_members() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF NOT EXISTS (SELECT 1 FROM group_members WHERE user_id = OLD.id) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM groups WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id) ORDER BY id FOR UPDATE;
    UPDATE groups SET members = members - 1, version = version + 1
    WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    INSERT INTO deleted_group_members (user_id, group_id, user_seq, role, added_at)
    SELECT user_id, group_id, user_seq, role, added_at FROM group_members WHERE user_id = OLD.id ON CONFLICT DO NOTHING;
    DELETE FROM group_members WHERE user_id = OLD.id;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER group_members_left AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION hide_group_members();
-- Who leaves this table was restored, and is among the users, or erased.
CREATE FUNCTION show_group_members() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF NOT EXISTS (SELECT 1 FROM deleted_group_members WHERE user_id = OLD.id) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT 1 FROM users WHERE id = OLD.id) THEN
        PERFORM 1 FROM groups WHERE id IN (SELECT group_id FROM deleted_group_members WHERE user_id = OLD.id)
        ORDER BY id FOR UPDATE;
        INSERT INTO group_members (group_id, user_seq, user_id, role, added_at)
        SELECT group_id, user_seq, user_id, role, added_at FROM deleted_group_members
        WHERE user_id = OLD.id AND group_id IN (SELECT id FROM groups);
        UPDATE groups SET members = members + 1, version = version + 1
        WHERE id IN (SELECT group_id FROM group_members WHERE user_id = OLD.id);
    END IF;
    DELETE FROM deleted_group_members WHERE user_id = OLD.id;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER group_members_came AFTER DELETE ON deleted_users FOR EACH ROW EXECUTE FUNCTION show_group_members();
