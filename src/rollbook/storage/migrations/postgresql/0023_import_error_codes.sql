-- Why an import has failed, without words: events carry this instead of the sentence.
ALTER TABLE imports ADD COLUMN error_code text COLLATE "C";

-- Sentences of earlier versions quoted names of columns, and so did mappings. Where a file had no header, those are what a user's cells hold.
UPDATE imports SET error = 'The columns of the file could not be mapped.', error_code = 'invalid_parameter' WHERE error LIKE '%"%';
UPDATE imports SET options = CAST(CAST(options AS jsonb) || '{"mapping": null}' AS text) WHERE finished_at IS NOT NULL;
UPDATE events SET object = CAST(CAST(object AS jsonb) || '{"error": null, "mapping": null}' AS text) WHERE type = 'import.finished';
UPDATE events_new SET object = CAST(CAST(object AS jsonb) || '{"error": null, "mapping": null}' AS text) WHERE type = 'import.finished';
