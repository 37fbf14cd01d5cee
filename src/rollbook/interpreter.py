"""The Python that runs the server, and how it was built."""

from __future__ import annotations

import platform
import sysconfig


def name() -> str:
    """`CPython 3.13.5, optimized build`. How it was built is left out where the build does not tell."""
    return ", ".join(filter(None, (f"{platform.python_implementation()} {platform.python_version()}", build())))


def build() -> str:
    """Test whether it was built with profile-guided optimization, which a request takes up to a fifth less CPU with.

    Empty where that is unknown: packages of distributions optimize by other means than `configure`, and do not record
    it.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS")
    if options and "--enable-optimizations" in options:
        return "optimized build"
    if not options or "'--prefix=/usr'" in options:
        return ""
    return "built without --enable-optimizations"
