-- Settings that owners write in the dashboard. The sum of the versions rises with every change, so that each process sees
-- that there is something to read.
CREATE TABLE settings (
    name    text    COLLATE "C" NOT NULL PRIMARY KEY,
    value   text    COLLATE "C",  -- NULL: the default, or sealed
    sealed  bytea,                -- instead of `value`, if it holds a password
    version bigint  NOT NULL
);
