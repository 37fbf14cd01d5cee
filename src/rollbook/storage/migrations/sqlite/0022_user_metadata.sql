-- Which users have a value in their metadata: each text, number, boolean and null of its top level, as text.
CREATE TABLE user_metadata (
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (key, value, seq)
) STRICT, WITHOUT ROWID;

-- Numbers are written out, without an exponent; those that would need one are not kept, nor are long keys and values.
CREATE VIEW user_metadata_pairs AS
SELECT key, value, seq FROM (
    SELECT pair.key, users.seq, CASE pair.type
        WHEN 'text' THEN pair.value
        WHEN 'integer' THEN CASE WHEN pair.value BETWEEN -999999999999999999 AND 999999999999999999 THEN CAST(pair.value AS TEXT) END
        WHEN 'real' THEN CASE
            WHEN pair.value = 0 THEN '0'
            WHEN abs(pair.value) BETWEEN 0.0001 AND 999999999999999 THEN printf('%.15g', pair.value)
        END
        WHEN 'true' THEN 'true'
        WHEN 'false' THEN 'false'
        WHEN 'null' THEN 'null'
    END AS value
    -- What was stored before metadata had a greatest depth can be deeper than SQLite reads.
    FROM users, json_each(iif(json_valid(users.metadata), users.metadata, '{}')) AS pair
    WHERE users.metadata <> '{}'
) WHERE value IS NOT NULL AND length(key) <= 255 AND length(value) <= 255;

-- Triggers, so that whatever writes users keeps it: imports, copies, and the version before this one while it is being replaced.
CREATE TRIGGER user_metadata_came AFTER INSERT ON users WHEN new.metadata <> '{}' BEGIN
    INSERT OR IGNORE INTO user_metadata SELECT key, value, seq FROM user_metadata_pairs WHERE seq = new.seq;
END;
CREATE TRIGGER user_metadata_changed AFTER UPDATE OF metadata ON users WHEN new.metadata <> old.metadata BEGIN
    INSERT OR IGNORE INTO user_metadata SELECT key, value, seq FROM user_metadata_pairs WHERE seq = new.seq;
END;
CREATE TRIGGER user_metadata_changes BEFORE UPDATE OF metadata ON users WHEN new.metadata <> old.metadata BEGIN
    DELETE FROM user_metadata WHERE (key, value, seq) IN (SELECT key, value, seq FROM user_metadata_pairs WHERE seq = old.seq);
END;
CREATE TRIGGER user_metadata_left BEFORE DELETE ON users WHEN old.metadata <> '{}' BEGIN
    DELETE FROM user_metadata WHERE (key, value, seq) IN (SELECT key, value, seq FROM user_metadata_pairs WHERE seq = old.seq);
END;

-- A row while users of before this table are brought into it: up to which place that is done, and up to which there were any.
CREATE TABLE user_metadata_building (
    done INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
INSERT INTO user_metadata_building SELECT 0, max(seq) FROM users HAVING max(seq) IS NOT NULL;
