-- What a team automates: when, for whom, and what is done, each as JSON. `lineage`: the users whom its author's session
-- goes back to. `seen_seq`: the number of the last event it has looked at. `taken`: how many people it has begun with on
-- the day `taken_on`, of the ceiling. `confirmed`: how many of those who wait someone has said yes to.
CREATE TABLE rules (
    id             TEXT    PRIMARY KEY,
    name           TEXT    NOT NULL,
    enabled        INTEGER NOT NULL,
    user_id        TEXT    NOT NULL,
    key_id         TEXT,
    lineage        TEXT,
    when_json      TEXT    NOT NULL,
    who_json       TEXT    NOT NULL,
    steps_json     TEXT    NOT NULL,
    max_users      INTEGER NOT NULL,
    waiting_count  INTEGER,
    confirmed      INTEGER NOT NULL,
    taken          INTEGER NOT NULL,
    taken_on       INTEGER NOT NULL,
    seen_seq       INTEGER NOT NULL,
    scanned_at     INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    retry_at       INTEGER NOT NULL,
    stopped_reason TEXT,
    next_run_at    INTEGER,
    last_run_at    INTEGER,
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The people at a rule, once for each occasion: an event, a day, or the moment that the rule goes by. `step` is the next
-- one; 99: they are done, and are not taken in again for this occasion.
CREATE TABLE rule_people (
    rule_id  TEXT    NOT NULL,
    user_id  TEXT    NOT NULL,
    occasion TEXT    NOT NULL,
    step     INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    PRIMARY KEY (rule_id, user_id, occasion)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_people_due ON rule_people (rule_id, step, due_at);

-- The rule and step whose run a job is.
ALTER TABLE bulk_jobs ADD COLUMN rule_id TEXT;
ALTER TABLE bulk_jobs ADD COLUMN rule_step INTEGER;
CREATE INDEX bulk_jobs_of_rules ON bulk_jobs (rule_id, id) WHERE rule_id IS NOT NULL;
