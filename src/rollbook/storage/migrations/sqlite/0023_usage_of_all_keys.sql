-- Rows whose `key_id` is empty count all keys of the user together, since a user with many keys has thousands of rows for each of these.
INSERT INTO usage (hour, user_id, key_id, requests, errors, refused, limited)
    SELECT hour, user_id, '', sum(requests), sum(errors), sum(refused), sum(limited) FROM usage GROUP BY hour, user_id;
INSERT INTO usage_routes (hour, user_id, key_id, route, requests, errors, refused, limited, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9)
    SELECT hour, user_id, '', route, sum(requests), sum(errors), sum(refused), sum(limited), sum(t0), sum(t1), sum(t2), sum(t3), sum(t4), sum(t5), sum(t6), sum(t7), sum(t8), sum(t9)
    FROM usage_routes GROUP BY hour, user_id, route;

CREATE INDEX usage_of_key ON usage (user_id, key_id, hour);
CREATE INDEX usage_routes_of_key ON usage_routes (user_id, key_id, hour);
DROP INDEX usage_user_id;
DROP INDEX usage_routes_user_id;
