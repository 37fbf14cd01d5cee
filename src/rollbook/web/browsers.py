"""Which browser it is, by what it says of itself (RFC 9110 section 10.1.5), in words for people. Never more than a hint: anybody can say anything."""

from __future__ import annotations

import re

# In this order: each of them also says the names of those below it.
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
