-- Which users have a value in their metadata: each text, number, boolean and null of its top level, as text.
CREATE TABLE user_metadata (
    key   text   COLLATE "C" NOT NULL,
    value text   COLLATE "C" NOT NULL,
    seq   bigint NOT NULL,
    PRIMARY KEY (key, value, seq)
);

-- Numbers are written out, without an exponent; those that would need one are not kept, nor are long keys and values.
CREATE FUNCTION user_metadata_pairs(metadata text) RETURNS TABLE (key text, value text) LANGUAGE sql IMMUTABLE AS '
    SELECT * FROM (
        SELECT pair.key COLLATE "C" AS key, CASE jsonb_typeof(pair.value)
            WHEN ''string'' THEN pair.value #>> ''{}''
            WHEN ''number'' THEN CASE
                WHEN pair.value #>> ''{}'' ~ ''^-?[0-9]{1,18}$'' THEN pair.value #>> ''{}''
                WHEN pair.value = ''0'' THEN ''0''
                WHEN abs(CAST(pair.value AS numeric)) BETWEEN 0.0001 AND 999999999999999
                    THEN CAST(trim_scale(CAST(CAST(CAST(pair.value AS numeric) AS float8) AS numeric)) AS text)
            END
            WHEN ''boolean'' THEN pair.value #>> ''{}''
            WHEN ''null'' THEN ''null''
        END COLLATE "C" AS value
        FROM jsonb_each(CAST(metadata AS jsonb)) AS pair
    ) AS pairs WHERE value IS NOT NULL AND char_length(key) <= 255 AND char_length(value) <= 255';

-- Triggers, so that whatever writes users keeps it: imports, copies, and the version before this one while it is being replaced.
CREATE FUNCTION keep_user_metadata() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
    IF TG_OP <> ''INSERT'' THEN
        DELETE FROM user_metadata AS kept USING user_metadata_pairs(OLD.metadata) AS pairs
        WHERE kept.key = pairs.key COLLATE "C" AND kept.value = pairs.value COLLATE "C" AND kept.seq = OLD.seq;
    END IF;
    IF TG_OP <> ''DELETE'' THEN
        INSERT INTO user_metadata SELECT key, value, NEW.seq FROM user_metadata_pairs(NEW.metadata) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END';
CREATE OR REPLACE TRIGGER user_metadata_came AFTER INSERT ON users FOR EACH ROW WHEN (NEW.metadata <> '{}') EXECUTE FUNCTION keep_user_metadata();
CREATE OR REPLACE TRIGGER user_metadata_changed AFTER UPDATE OF metadata ON users FOR EACH ROW WHEN (NEW.metadata <> OLD.metadata) EXECUTE FUNCTION keep_user_metadata();
CREATE OR REPLACE TRIGGER user_metadata_left AFTER DELETE ON users FOR EACH ROW WHEN (OLD.metadata <> '{}') EXECUTE FUNCTION keep_user_metadata();

-- A row while users of before this table are brought into it: up to which place that is done, and up to which there were any.
CREATE TABLE user_metadata_building (
    done bigint NOT NULL,
    last bigint NOT NULL
);
INSERT INTO user_metadata_building SELECT 0, max(seq) FROM users HAVING max(seq) IS NOT NULL;
