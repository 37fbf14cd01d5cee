-- What whoever started an import may see of its file, encrypted: its columns (`IMPORT_ID/columns`), and the records that
-- were refused, as they were, in pieces (`IMPORT_ID/NUMBER`).
CREATE TABLE import_rows (
    id     TEXT    NOT NULL PRIMARY KEY,
    size   INTEGER NOT NULL,
    sealed BLOB    NOT NULL
) STRICT;
