-- Where a key is valid: `api` or `scim`; and the first key of those that it was rotated from, by which SCIM keeps what belongs to an identity provider (NULL: the key itself).
ALTER TABLE keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'api';
ALTER TABLE keys ADD COLUMN tenant TEXT;
