-- Why an import has failed, without words: events carry this instead of the sentence.
ALTER TABLE imports ADD COLUMN error_code TEXT;

-- Sentences of earlier versions quoted names of columns, and so did mappings. Where a file had no header, those are what a user's cells hold.
UPDATE imports SET error = 'The columns of the file could not be mapped.', error_code = 'invalid_parameter' WHERE error LIKE '%"%';
UPDATE imports SET options = json_set(options, '$.mapping', NULL) WHERE finished_at IS NOT NULL;
UPDATE events SET object = json_set(object, '$.error', NULL, '$.mapping', NULL) WHERE type = 'import.finished';
