-- Endpoints that events are sent to. `url`, `headers` and the secrets are for the server alone; sealed as revealable keys are.
CREATE TABLE webhooks (
    id               TEXT    NOT NULL PRIMARY KEY,
    user_id          TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    types            TEXT    NOT NULL,
    format           TEXT    NOT NULL,
    payload          TEXT    NOT NULL,
    ordering         TEXT    NOT NULL,
    headers          BLOB,
    secret           BLOB    NOT NULL,
    old_secret       BLOB,
    old_secret_until INTEGER,
    status           TEXT    NOT NULL,
    status_reason    TEXT,
    version          INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_user_id ON webhooks (user_id, id);

-- How far each endpoint is in the event log: all events up to `seq` are delivered, not asked for, or in `webhook_lanes`. `holder` sends to it
-- until the database's clock shows `until`; `epoch` rises with each holder, so that an earlier one can write nothing.
CREATE TABLE webhook_cursors (
    webhook_id    TEXT    NOT NULL PRIMARY KEY,
    seq           INTEGER NOT NULL,
    holder        TEXT    NOT NULL,
    epoch         INTEGER NOT NULL,
    until         INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    failing_since INTEGER,
    probes        INTEGER NOT NULL,
    open_until    INTEGER
) WITHOUT ROWID, STRICT;

-- What failed and is tried again: of each lane (a user, or one event where order does not matter) the first event that is not delivered.
CREATE TABLE webhook_lanes (
    webhook_id TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    failed_at  INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    PRIMARY KEY (webhook_id, lane)
) WITHOUT ROWID, STRICT;

-- Every attempt to deliver an event. What was sent is not kept, but made again from the event log when it is looked at.
CREATE TABLE webhook_deliveries (
    id            TEXT    NOT NULL,
    webhook_id    TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    event_id      TEXT    NOT NULL,
    type          TEXT    NOT NULL,
    user_id       TEXT    NOT NULL,
    trigger       TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    duration      INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    http_status   INTEGER,
    address       TEXT,
    retry_at      INTEGER,
    response_type TEXT,
    response      TEXT
) STRICT;
CREATE INDEX webhook_deliveries_id ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_user_id ON webhook_deliveries (user_id, id);

-- Deliveries of each hour since 1970, for the plots.
CREATE TABLE webhook_hours (
    webhook_id TEXT    NOT NULL,
    hour       INTEGER NOT NULL,
    delivered  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, hour)
) WITHOUT ROWID, STRICT;

-- Parts of the event log that are sent again, on request.
CREATE TABLE webhook_replays (
    id          TEXT    NOT NULL PRIMARY KEY,
    webhook_id  TEXT    NOT NULL,
    trigger     TEXT    NOT NULL,
    first_seq   INTEGER NOT NULL,
    next_seq    INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    types       TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    selection   TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    delivered   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX webhook_replays_webhook_id ON webhook_replays (webhook_id, id);

-- What arrived at endpoints inside the product, for trying.
CREATE TABLE webhook_inbox (
    id          TEXT    NOT NULL PRIMARY KEY,
    webhook_id  TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    headers     TEXT    NOT NULL,
    body        TEXT    NOT NULL
) STRICT;
CREATE INDEX webhook_inbox_webhook_id ON webhook_inbox (webhook_id, id);
CREATE INDEX webhook_inbox_user_id ON webhook_inbox (user_id, id);
