"""The name of a browser from its User-Agent (RFC 9110 section 10.1.5). Only a hint: clients can send anything."""

from __future__ import annotations

import re

# The order matters: each browser also sends the names of those below.
BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)
UNKNOWN = "Unknown browser"

_PROGRAM = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,39})(?:/[0-9][0-9A-Za-z.+-]{0,20})?(?: |$)").match


def name(user_agent: str) -> str:
    """`Chrome on Linux`, `curl`, or UNKNOWN."""
    if not user_agent.startswith("Mozilla/"):
        program = _PROGRAM(user_agent)
        return program[1] if program else UNKNOWN
    browser = next((name for sign, name in BROWSERS if sign in user_agent), None)
    system = next((name for sign, name in SYSTEMS if sign in user_agent), None)
    if browser is None:
        return UNKNOWN if system is None else f"A browser on {system}"
    return browser if system is None else f"{browser} on {system}"
