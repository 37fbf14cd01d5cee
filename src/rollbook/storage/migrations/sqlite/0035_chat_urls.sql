-- The URL of a webhook to a chat is a credential: encrypted here, and masked in `url`.
ALTER TABLE webhooks ADD COLUMN sealed_url BLOB;
