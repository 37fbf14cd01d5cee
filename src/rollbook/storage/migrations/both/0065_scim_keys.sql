-- The keys of identity providers are few among many: the page that lists them reads no others.
CREATE INDEX keys_scim ON keys (id) WHERE kind = 'scim' AND revoked_at IS NULL;
