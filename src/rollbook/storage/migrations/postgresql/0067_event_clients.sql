-- The assistant that made the request over MCP, as it calls itself.
ALTER TABLE events ADD COLUMN client text COLLATE "C";
ALTER TABLE events_new ADD COLUMN client text COLLATE "C";
