-- What whoever started an import may see of its file, encrypted: its columns (`IMPORT_ID/columns`), and the records that
-- were refused, as they were, in pieces (`IMPORT_ID/NUMBER`).
CREATE TABLE import_rows (
    id     text   COLLATE "C" NOT NULL PRIMARY KEY,
    size   bigint NOT NULL,
    sealed bytea  NOT NULL
);
