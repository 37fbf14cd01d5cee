"""How often a caller may call: every window counts the call, all must have room, the tightest one speaks in the headers."""
