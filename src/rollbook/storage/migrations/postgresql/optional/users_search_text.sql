-- Searches by part of a name or an address. Where the extension may not be made, a search looks at every user: right, but slow for many.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX IF NOT EXISTS users_search_text ON users USING gin (search_text gin_trgm_ops);
