-- Changes that imports with events=summary leave out of the event log: when which users were added (is_new, those of a batch together) or
-- changed. Without them, the log would tell what a user was like in the meantime, and be wrong.
CREATE TABLE unlogged_changes (
    first_seq  bigint  NOT NULL,
    last_seq   bigint  NOT NULL,
    changed_at bigint  NOT NULL,
    is_new     integer NOT NULL
);
CREATE INDEX unlogged_changes_first_seq ON unlogged_changes (is_new, first_seq, changed_at);
CREATE INDEX unlogged_changes_changed_at ON unlogged_changes (changed_at);
