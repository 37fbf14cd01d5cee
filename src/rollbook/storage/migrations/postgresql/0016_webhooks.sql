-- Endpoints that events are sent to. `url`, `headers` and the secrets are for the server alone; sealed as revealable keys are.
CREATE TABLE webhooks (
    id               text   COLLATE "C" NOT NULL PRIMARY KEY,
    user_id          text   COLLATE "C" NOT NULL,
    url              text   COLLATE "C" NOT NULL,
    description      text   COLLATE "C" NOT NULL,
    types            text   COLLATE "C" NOT NULL,
    format           text   COLLATE "C" NOT NULL,
    payload          text   COLLATE "C" NOT NULL,
    ordering         text   COLLATE "C" NOT NULL,
    headers          bytea,
    secret           bytea  NOT NULL,
    old_secret       bytea,
    old_secret_until bigint,
    status           text   COLLATE "C" NOT NULL,
    status_reason    text   COLLATE "C",
    version          bigint NOT NULL,
    created_at       bigint NOT NULL,
    updated_at       bigint NOT NULL
);
CREATE INDEX webhooks_user_id ON webhooks (user_id, id);

-- How far each endpoint is in the event log: all events up to `seq` are delivered, not asked for, or in `webhook_lanes`. `holder` sends to it
-- until the database's clock shows `until`; `epoch` rises with each holder, so that an earlier one can write nothing.
CREATE TABLE webhook_cursors (
    webhook_id    text   COLLATE "C" NOT NULL PRIMARY KEY,
    seq           bigint NOT NULL,
    holder        text   COLLATE "C" NOT NULL,
    epoch         bigint NOT NULL,
    until         bigint NOT NULL,
    failures      bigint NOT NULL,
    failing_since bigint,
    probes        bigint NOT NULL,
    open_until    bigint
);

-- What failed and is tried again: of each lane (a user, or one event where order does not matter) the first event that is not delivered.
CREATE TABLE webhook_lanes (
    webhook_id text   COLLATE "C" NOT NULL,
    lane       text   COLLATE "C" NOT NULL,
    seq        bigint NOT NULL,
    attempts   bigint NOT NULL,
    next_at    bigint NOT NULL,
    failed_at  bigint NOT NULL,
    outcome    text   COLLATE "C" NOT NULL,
    PRIMARY KEY (webhook_id, lane)
);

-- Every attempt to deliver an event. What was sent is not kept, but made again from the event log when it is looked at.
CREATE TABLE webhook_deliveries (
    id            text   COLLATE "C" NOT NULL,
    webhook_id    text   COLLATE "C" NOT NULL,
    seq           bigint NOT NULL,
    event_id      text   COLLATE "C" NOT NULL,
    type          text   COLLATE "C" NOT NULL,
    user_id       text   COLLATE "C" NOT NULL,
    trigger       text   COLLATE "C" NOT NULL,
    attempt       bigint NOT NULL,
    created_at    bigint NOT NULL,
    duration      bigint NOT NULL,
    outcome       text   COLLATE "C" NOT NULL,
    http_status   bigint,
    address       text   COLLATE "C",
    retry_at      bigint,
    response_type text   COLLATE "C",
    response      text   COLLATE "C"
);
CREATE INDEX webhook_deliveries_id ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_user_id ON webhook_deliveries (user_id, id);

-- Deliveries of each hour since 1970, for the plots.
CREATE TABLE webhook_hours (
    webhook_id text   COLLATE "C" NOT NULL,
    hour       bigint NOT NULL,
    delivered  bigint NOT NULL,
    failed     bigint NOT NULL,
    duration   bigint NOT NULL,
    PRIMARY KEY (webhook_id, hour)
);

-- Parts of the event log that are sent again, on request.
CREATE TABLE webhook_replays (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id  text   COLLATE "C" NOT NULL,
    trigger     text   COLLATE "C" NOT NULL,
    first_seq   bigint NOT NULL,
    next_seq    bigint NOT NULL,
    last_seq    bigint NOT NULL,
    types       text   COLLATE "C" NOT NULL,
    user_id     text   COLLATE "C" NOT NULL,
    selection   text   COLLATE "C" NOT NULL,
    status      text   COLLATE "C" NOT NULL,
    delivered   bigint NOT NULL,
    failed      bigint NOT NULL,
    created_by  text   COLLATE "C" NOT NULL,
    created_at  bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX webhook_replays_webhook_id ON webhook_replays (webhook_id, id);

-- What arrived at endpoints inside the product, for trying.
CREATE TABLE webhook_inbox (
    id          text   COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id  text   COLLATE "C" NOT NULL,
    user_id     text   COLLATE "C" NOT NULL,
    received_at bigint NOT NULL,
    headers     text   COLLATE "C" NOT NULL,
    body        text   COLLATE "C" NOT NULL
);
CREATE INDEX webhook_inbox_webhook_id ON webhook_inbox (webhook_id, id);
CREATE INDEX webhook_inbox_user_id ON webhook_inbox (user_id, id);
