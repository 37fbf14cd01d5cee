"""Runs the project's tasks, with make or without: finds a Python that is new enough, then hands over to tasks.py.

python3 tools/setup.py            lists the tasks
python3 tools/setup.py serve      is what `make serve` does

Only this file must run on any Python 3, so that old versions get a message instead of a SyntaxError.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")


def main():
    if os.name != "posix":
        sys.exit("Rollbook runs on Linux and macOS. On Windows, use it inside WSL.")
    if sys.version_info >= OLDEST:
        _say_if_incomplete()
        import tasks

        sys.exit(tasks.main(sys.argv[1:]))
    for name in NAMES:
        if _is_new_enough(name):
            os.execvp(name, [name, *sys.argv])
    wanted, found = (".".join(str(part) for part in version) for version in (OLDEST, sys.version_info[:3]))
    sys.exit(
        "Rollbook needs Python %s or newer. This is Python %s, and there is no newer one on PATH." % (wanted, found)
    )


def _say_if_incomplete():
    """Debian's python3-minimal, and a Python that was compiled without some libraries, lack parts of the standard
    library."""
    from importlib.util import find_spec

    lacking = [name for name in ("venv", "_ssl", "_sqlite3") if not find_spec(name)]
    if lacking:
        sys.exit(
            "This Python comes without %s: %s\nOn Debian or Ubuntu, paste this:  sudo apt-get install -y python3 "
            "python3-venv" % (", ".join(lacking), sys.executable)
        )


def _is_new_enough(name):
    """Ask Python itself: a version manager may put names on PATH that don't work."""
    question = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
    try:
        return subprocess.call([name, "-c", question], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


if __name__ == "__main__":
    main()
