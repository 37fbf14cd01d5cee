-- The distributed trace of the request, from its traceparent header.
ALTER TABLE events ADD COLUMN trace_id text COLLATE "C";
ALTER TABLE events_new ADD COLUMN trace_id text COLLATE "C";
