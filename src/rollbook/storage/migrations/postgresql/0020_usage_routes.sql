-- Requests of a key to an endpoint: of an hour, and once the hours are folded, of a day, `hour` being its first microsecond. `t0` to `t9` count
-- them by duration: up to 0.25, 0.5, 1, 2.5, 5, 10, 50, 250 and 1,000 ms, and longer.
CREATE TABLE usage_routes (
    hour     bigint  NOT NULL,
    user_id  text    COLLATE "C" NOT NULL,
    key_id   text    COLLATE "C" NOT NULL,
    route    text    COLLATE "C" NOT NULL,
    requests integer NOT NULL,
    errors   integer NOT NULL,
    refused  integer NOT NULL,
    limited  integer NOT NULL,
    t0       integer NOT NULL,
    t1       integer NOT NULL,
    t2       integer NOT NULL,
    t3       integer NOT NULL,
    t4       integer NOT NULL,
    t5       integer NOT NULL,
    t6       integer NOT NULL,
    t7       integer NOT NULL,
    t8       integer NOT NULL,
    t9       integer NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, route)
) WITH (fillfactor = 70);
CREATE INDEX usage_routes_user_id ON usage_routes (user_id, hour);
