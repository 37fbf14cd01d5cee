-- Requests of a key to an endpoint: of an hour, and once the hours are folded, of a day, `hour` being its first microsecond. `t0` to `t9` count
-- them by duration: up to 0.25, 0.5, 1, 2.5, 5, 10, 50, 250 and 1,000 ms, and longer.
CREATE TABLE usage_routes (
    hour     INTEGER NOT NULL,
    user_id  TEXT    NOT NULL,
    key_id   TEXT    NOT NULL,
    route    TEXT    NOT NULL,
    requests INTEGER NOT NULL,
    errors   INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    limited  INTEGER NOT NULL,
    t0       INTEGER NOT NULL,
    t1       INTEGER NOT NULL,
    t2       INTEGER NOT NULL,
    t3       INTEGER NOT NULL,
    t4       INTEGER NOT NULL,
    t5       INTEGER NOT NULL,
    t6       INTEGER NOT NULL,
    t7       INTEGER NOT NULL,
    t8       INTEGER NOT NULL,
    t9       INTEGER NOT NULL,
    PRIMARY KEY (hour, user_id, key_id, route)
) WITHOUT ROWID, STRICT;
CREATE INDEX usage_routes_user_id ON usage_routes (user_id, hour);
