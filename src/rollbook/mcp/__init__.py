"""The Model Context Protocol (MCP), for assistants. Here is what the command `rollbook mcp` knows of it, too: it loads
none of the rest when it speaks to a server."""

from __future__ import annotations

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
PARSE_ERROR, INTERNAL_ERROR = -32700, -32603
