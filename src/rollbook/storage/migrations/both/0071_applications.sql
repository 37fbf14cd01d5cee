-- Applications are few among many users: what asks for them, or for all others, reads no more than these.
CREATE INDEX users_applications ON users (kind, seq) WHERE kind = 'application';
