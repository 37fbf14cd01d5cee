-- What identity providers keep here of a user by SCIM, beside what everybody sees of them. `user_name_key` is unique among those who live:
-- a deleted user's is free for others, who take it over. `version` counts these changes alone.
CREATE TABLE scim_users (
    user_id       text    COLLATE "C" NOT NULL PRIMARY KEY,
    user_name     text    COLLATE "C",
    user_name_key text    COLLATE "C" CONSTRAINT "scim_users.user_name_key" UNIQUE,
    attributes    text    COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    updated_at    bigint  NOT NULL
);

-- The identifiers that each identity provider (`tenant`, the first of its keys) has for users and groups.
CREATE TABLE scim_external_ids (
    tenant      text COLLATE "C" NOT NULL,
    object_id   text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, object_id),
    CONSTRAINT "scim_external_ids.tenant" UNIQUE (tenant, kind, external_id)
);
CREATE INDEX scim_external_ids_object_id ON scim_external_ids (object_id);
