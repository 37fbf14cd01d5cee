-- The distributed trace of the request, from its traceparent header.
ALTER TABLE events ADD COLUMN trace_id TEXT;
