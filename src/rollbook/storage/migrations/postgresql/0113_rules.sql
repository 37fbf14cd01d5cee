-- What a team automates: when, for whom, and what is done, each as JSON. `lineage`: the users whom its author's session
-- goes back to. `seen_seq`: the number of the last event it has looked at. `taken`: how many people it has begun with on
-- the day `taken_on`, of the ceiling. `confirmed`: how many of those who wait someone has said yes to.
CREATE TABLE rules (
    id             text    COLLATE "C" PRIMARY KEY,
    name           text    COLLATE "C" NOT NULL,
    enabled        integer NOT NULL,
    user_id        text    COLLATE "C" NOT NULL,
    key_id         text    COLLATE "C",
    lineage        text    COLLATE "C",
    when_json      text    COLLATE "C" NOT NULL,
    who_json       text    COLLATE "C" NOT NULL,
    steps_json     text    COLLATE "C" NOT NULL,
    max_users      integer NOT NULL,
    waiting_count  integer,
    confirmed      integer NOT NULL,
    taken          integer NOT NULL,
    taken_on       integer NOT NULL,
    seen_seq       bigint  NOT NULL,
    scanned_at     bigint  NOT NULL,
    failures       integer NOT NULL,
    retry_at       bigint  NOT NULL,
    stopped_reason text    COLLATE "C",
    next_run_at    bigint,
    last_run_at    bigint,
    version        integer NOT NULL,
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL
);

-- The people at a rule, once for each occasion: an event, a day, or the moment that the rule goes by. `step` is the next
-- one; 99: they are done, and are not taken in again for this occasion.
CREATE TABLE rule_people (
    rule_id  text    COLLATE "C" NOT NULL,
    user_id  text    COLLATE "C" NOT NULL,
    occasion text    COLLATE "C" NOT NULL,
    step     integer NOT NULL,
    due_at   bigint  NOT NULL,
    PRIMARY KEY (rule_id, user_id, occasion)
);
CREATE INDEX rule_people_due ON rule_people (rule_id, step, due_at);

-- The rule and step whose run a job is.
ALTER TABLE bulk_jobs ADD COLUMN rule_id text COLLATE "C";
ALTER TABLE bulk_jobs ADD COLUMN rule_step integer;
CREATE INDEX bulk_jobs_of_rules ON bulk_jobs (rule_id, id) WHERE rule_id IS NOT NULL;
