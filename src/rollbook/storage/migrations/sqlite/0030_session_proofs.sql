-- When who is signed in last proved who they are, where that was after the session began.
ALTER TABLE sessions ADD COLUMN proven_at INTEGER;
