-- Requests for one-time tokens, for a moment: a job turns them into tokens. All of a request is sealed, since it may name people who have no account here.
CREATE TABLE token_requests (
    id     TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Tokens whose text waits for its delivery, by the webhook that delivers it.
CREATE INDEX one_time_tokens_waiting ON one_time_tokens (delivered_by) WHERE sealed IS NOT NULL;
