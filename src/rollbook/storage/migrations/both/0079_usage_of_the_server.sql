-- Rows whose `user_id` and `key_id` are empty count the whole server. `server_usage`, which counted pages of the dashboard and requests
-- without a key too, is no longer read; only the version before this one writes to it.
INSERT INTO usage (hour, user_id, key_id, requests, errors, refused, limited)
    SELECT hour, '', '', sum(requests), sum(errors), sum(refused), sum(limited) FROM usage WHERE key_id = '' GROUP BY hour;
INSERT INTO usage_limits (hour, user_id, key_id, name, limited)
    SELECT hour, '', '', name, sum(limited) FROM usage_limits GROUP BY hour, name;
INSERT INTO usage_routes (hour, user_id, key_id, route, requests, errors, refused, limited, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9)
    SELECT hour, '', '', route, sum(requests), sum(errors), sum(refused), sum(limited), sum(t0), sum(t1), sum(t2), sum(t3), sum(t4), sum(t5), sum(t6), sum(t7), sum(t8), sum(t9)
    FROM usage_routes WHERE key_id = '' GROUP BY hour, route;
DELETE FROM server_usage;
