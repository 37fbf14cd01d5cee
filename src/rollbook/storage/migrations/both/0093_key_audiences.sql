-- The audiences for which a key makes, refreshes and verifies sessions; null: any. Those of a one-time token are its
-- creator's: it signs in to no others.
ALTER TABLE keys ADD COLUMN audiences TEXT;
ALTER TABLE one_time_tokens ADD COLUMN audiences TEXT;
