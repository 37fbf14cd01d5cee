-- Changes of many users that run in the background.
CREATE TABLE bulk_jobs (
    id          TEXT    PRIMARY KEY,
    user_id     TEXT    NOT NULL,
    key_id      TEXT,
    address     TEXT,
    action      TEXT    NOT NULL,
    options     TEXT    NOT NULL,  -- a JSON object
    undoes      TEXT,              -- the job whose changes this one puts back
    status      TEXT    NOT NULL,  -- collecting, queued, running, finished, failed or canceled
    error       TEXT,
    error_code  TEXT,
    parts_done  INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    done        INTEGER NOT NULL,
    changed     INTEGER NOT NULL,
    unchanged   INTEGER NOT NULL,
    refused     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_jobs_unfinished ON bulk_jobs (id) WHERE finished_at IS NULL;

-- The users of a job, some hundred at a time, and what became of them.
CREATE TABLE bulk_job_parts (
    id      TEXT    PRIMARY KEY,  -- that of the job, a slash and six digits
    changed INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    users   TEXT    NOT NULL,     -- IDs, each with the role to put back if there is one
    results TEXT,                 -- a JSON list; NULL: not done yet
    sealed  BLOB                  -- the links that were created
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_job_parts_sealed ON bulk_job_parts (id) WHERE sealed IS NOT NULL;
