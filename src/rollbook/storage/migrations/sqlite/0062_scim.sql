-- What identity providers keep here of a user by SCIM, beside what everybody sees of them. `user_name_key` is unique among those who live:
-- a deleted user's is free for others, who take it over. `version` counts these changes alone.
CREATE TABLE scim_users (
    user_id       TEXT    NOT NULL PRIMARY KEY,
    user_name     TEXT,
    user_name_key TEXT    UNIQUE,
    attributes    TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- The identifiers that each identity provider (`tenant`, the first of its keys) has for users and groups.
CREATE TABLE scim_external_ids (
    tenant      TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (tenant, object_id),
    UNIQUE (tenant, kind, external_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX scim_external_ids_object_id ON scim_external_ids (object_id);
