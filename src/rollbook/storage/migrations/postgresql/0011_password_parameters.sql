-- The parameters that stored password hashes have ($argon2id$v=19$m=19456,t=2,p=1$), and what one costs: KiB times passes. A search for
-- users who have them sets `in_doubt`, and forgets what is still in doubt at its end.
CREATE TABLE password_parameters (
    cost       bigint  NOT NULL,
    parameters text    COLLATE "C" NOT NULL,
    in_doubt   integer NOT NULL,
    PRIMARY KEY (cost, parameters)
);
INSERT INTO password_parameters
SELECT CAST(substring(parameters from '[$]m=([0-9]+)') AS bigint) * CAST(substring(parameters from ',t=([0-9]+)') AS bigint), parameters, 0
FROM (
    SELECT DISTINCT substring(hash from '^.*,p=[0-9]+[$]') AS parameters
    FROM (SELECT password_hash AS hash FROM users UNION ALL SELECT password_hash FROM deleted_users) AS hashes
    WHERE hash LIKE '$argon2%,p=%$%'
) AS used;
