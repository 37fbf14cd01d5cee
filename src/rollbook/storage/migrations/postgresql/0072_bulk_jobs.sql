-- Changes of many users that run in the background.
CREATE TABLE bulk_jobs (
    id          text   COLLATE "C" PRIMARY KEY,
    user_id     text   COLLATE "C" NOT NULL,
    key_id      text   COLLATE "C",
    address     text   COLLATE "C",
    action      text   COLLATE "C" NOT NULL,
    options     text   COLLATE "C" NOT NULL,  -- a JSON object
    undoes      text   COLLATE "C",            -- the job whose changes this one puts back
    status      text   COLLATE "C" NOT NULL,  -- collecting, queued, running, finished, failed or canceled
    error       text   COLLATE "C",
    error_code  text   COLLATE "C",
    parts_done  bigint NOT NULL,
    total       bigint NOT NULL,
    done        bigint NOT NULL,
    changed     bigint NOT NULL,
    unchanged   bigint NOT NULL,
    refused     bigint NOT NULL,
    created_at  bigint NOT NULL,
    started_at  bigint,
    finished_at bigint
);
CREATE INDEX bulk_jobs_unfinished ON bulk_jobs (id) WHERE finished_at IS NULL;

-- The users of a job, some hundred at a time, and what became of them.
CREATE TABLE bulk_job_parts (
    id      text   COLLATE "C" PRIMARY KEY,  -- that of the job, a slash and six digits
    changed bigint NOT NULL,
    refused bigint NOT NULL,
    users   text   COLLATE "C" NOT NULL,     -- IDs, each with the role to put back if there is one
    results text   COLLATE "C",            -- a JSON list; NULL: not done yet
    sealed  bytea                          -- the links that were created
);
CREATE INDEX bulk_job_parts_sealed ON bulk_job_parts (id) WHERE sealed IS NOT NULL;
