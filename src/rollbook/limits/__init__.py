"""Rate limits: counts each request in the windows of its limit, on this server or in Valkey."""
