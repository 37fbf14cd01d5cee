"""Sends events to webhooks: from a cursor over the event log, with a row only for what failed (decision 37)."""
