-- Bytes of the request log by the hour of its lines, so that its size is known without reading it.
CREATE TABLE request_log_sizes (
    hour  bigint PRIMARY KEY,
    bytes bigint NOT NULL
) WITH (fillfactor = 70);
INSERT INTO request_log_sizes
    SELECT last - last % 3600000000 AS hour, sum(length(lines) + 256) FROM request_log GROUP BY 1;
