"""sdk/typescript, compiled."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SDK = ROOT / "sdk" / "typescript"
BIN = ROOT / "node_modules" / ".bin"


def built() -> Path:
    """The package. Its `dist` is made again when a source has changed, by one process of the tests."""
    sources = [SDK / "tsconfig.json", *sorted((SDK / "src").rglob("*.ts"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = SDK / "tests" / "dist" / ".stamp"  # `dist` is what is published
    stamp.parent.mkdir(exist_ok=True)
    with open(stamp, "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() != digest or not (SDK / "dist").exists():
            compile(SDK)
            lock.truncate(0)
            lock.write(digest)
    return SDK


def compile(project: Path) -> None:
    """Raises AssertionError with what the compiler says."""
    done = subprocess.run([BIN / "tsc", "--project", project], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
