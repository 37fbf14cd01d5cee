-- The parameters that stored password hashes have ($argon2id$v=19$m=19456,t=2,p=1$), and what one costs: KiB times passes. A search for
-- users who have them sets `in_doubt`, and forgets what is still in doubt at its end.
CREATE TABLE password_parameters (
    cost       INTEGER NOT NULL,
    parameters TEXT    NOT NULL,
    in_doubt   INTEGER NOT NULL,
    PRIMARY KEY (cost, parameters)
) WITHOUT ROWID, STRICT;
INSERT INTO password_parameters
SELECT CAST(substr(parameters, instr(parameters, '$m=') + 3) AS INTEGER) * CAST(substr(parameters, instr(parameters, ',t=') + 3) AS INTEGER),
    parameters, 0
FROM (
    SELECT DISTINCT substr(hash, 1, instr(hash, ',p=') + instr(substr(hash, instr(hash, ',p=')), '$') - 1) AS parameters
    FROM (SELECT password_hash AS hash FROM users UNION ALL SELECT password_hash FROM deleted_users)
    WHERE hash LIKE '$argon2%,p=%$%'
);
