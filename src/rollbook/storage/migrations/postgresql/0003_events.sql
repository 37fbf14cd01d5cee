-- What happened. Transactions commit in another order than they write in, so each appends to `events_new`; whoever reads first moves what is
-- committed by then into `events` and numbers it (`numbers`). So `seq` rises with every commit, and a reader can resume from the last it saw.
CREATE TABLE events_new (
    id           text   COLLATE "C" NOT NULL PRIMARY KEY,
    type         text   COLLATE "C" NOT NULL,
    user_id      text   COLLATE "C" NOT NULL,
    created_at   bigint NOT NULL,
    actor_user   text   COLLATE "C",
    actor_key    text   COLLATE "C",
    address      text   COLLATE "C",
    request_id   text   COLLATE "C",
    object       text   COLLATE "C" NOT NULL,
    before       text   COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_threshold = 100000000);
CREATE TABLE events (
    seq          bigint NOT NULL PRIMARY KEY,
    id           text   COLLATE "C" NOT NULL,
    type         text   COLLATE "C" NOT NULL,
    user_id      text   COLLATE "C" NOT NULL,
    created_at   bigint NOT NULL,
    actor_user   text   COLLATE "C",
    actor_key    text   COLLATE "C",
    address      text   COLLATE "C",
    request_id   text   COLLATE "C",
    object       text   COLLATE "C" NOT NULL,
    before       text   COLLATE "C"
);
CREATE INDEX events_id ON events (id);
CREATE INDEX events_user_id ON events (user_id, seq);
CREATE INDEX events_type ON events (type, seq);

-- Places in the log of events that were erased with their user: a consumer that has read one resumes from there.
CREATE TABLE erased_events (
    seq bigint NOT NULL PRIMARY KEY,
    id  text   COLLATE "C" NOT NULL
);
CREATE INDEX erased_events_id ON erased_events (id);
