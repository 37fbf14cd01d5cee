"""`rollbook open`: the dashboard of the running server, in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from rollbook.cli import options, targets
from rollbook.cli.output import has_browser, line


@options.command(None, "open", options.DATA, options.URL, options.PROFILE)
def app(data: Path | None, url: str | None, profile: str | None) -> None:
    """Open the dashboard in the browser, and print its URL.

    The server is the one that runs on the data folder, or that --url or --profile names. Without a display, the URL is
    only printed.
    """
    address = targets.dashboard(data, url, profile)
    line(address)
    if has_browser():
        webbrowser.open(address)
