"""Callers from other addresses, as a proxy tells them."""

from __future__ import annotations

import httpx2

from tests.harness import Server
from tests.visitor import visitor

PROXY = ("--trusted-proxy", "127.0.0.1/32", "--rate-limit", "none", "--page-limit", "none")


def at(server: Server, address: str) -> httpx2.Client:
    return visitor(server, **{"X-Forwarded-For": address})
