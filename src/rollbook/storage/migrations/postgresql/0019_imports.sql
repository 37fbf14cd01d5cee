-- Imports of files of users that run in the background. The file lies in the data folder of the server that received it.
CREATE TABLE imports (
    id          text   COLLATE "C" PRIMARY KEY,
    user_id     text   COLLATE "C" NOT NULL,
    key_id      text   COLLATE "C",
    address     text   COLLATE "C",
    options     text   COLLATE "C" NOT NULL,  -- a JSON object
    status      text   COLLATE "C" NOT NULL,  -- waiting, running, finished, failed or canceled
    error       text   COLLATE "C",
    runner      text   COLLATE "C",              -- whichever process may write its progress
    seen_at     bigint NOT NULL,  -- when a server last had its file
    bytes       bigint NOT NULL,
    bytes_read  bigint NOT NULL,
    records     bigint NOT NULL,
    added       bigint NOT NULL,
    updated     bigint NOT NULL,
    unchanged   bigint NOT NULL,
    skipped     bigint NOT NULL,
    refused     bigint NOT NULL,
    created_at  bigint NOT NULL,
    started_at  bigint,
    finished_at bigint
);
CREATE INDEX imports_unfinished ON imports (id) WHERE finished_at IS NULL;

-- Records of a file that were refused, and why.
CREATE TABLE import_refusals (
    import_id text   COLLATE "C" NOT NULL,
    number    bigint NOT NULL,
    line      bigint NOT NULL,
    field     text   COLLATE "C",
    code      text   COLLATE "C" NOT NULL,
    reason    text   COLLATE "C" NOT NULL,
    PRIMARY KEY (import_id, number)
);

-- Whether a webhook is not sent what imports do.
ALTER TABLE webhooks ADD COLUMN skip_imports integer NOT NULL DEFAULT 0;
