"""What the client does by itself, in the log `rollbook_client`, level INFO. Never with keys, bodies or addresses of
users."""

from __future__ import annotations


def note(message: str, *values: object) -> None:
    import logging  # httpx2 has loaded it by now; alone it is a fifth of what importing this client costs

    logging.getLogger("rollbook_client").info(message, *values)
