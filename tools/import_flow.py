"""Counts the files of ours that an import runs through: `python tools/import_flow.py`."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from rollbook import clock, first_start
from rollbook.actions import imports
from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal, signed_in
from rollbook.config import Settings
from rollbook.jobs import import_process
from rollbook.quota import NO_LIMIT
from rollbook.records import users
from rollbook.records.connect import connect

SOURCE = str(Path(first_start.__file__).parent)


def files_of_an_import() -> Counter[str]:
    """Files of ours that an import of 21 rows of CSV runs through, from its upload to the end of its process, and the
    calls of functions in each. The second import counts: what is remembered is remembered."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(f"{SOURCE}/") and frame.f_code.co_name != "<module>":
            calls[path.removeprefix(f"{SOURCE}/")] += 1

    async def upload(number: int) -> AsyncGenerator[bytes, None]:
        rows = [f"Person {row},person{row}@{number}.example" for row in range(21)]
        yield "\n".join(["name,email", *rows]).encode()

    with TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data")
        first_start.prepare(settings, {})
        for number in range(2):
            calls.clear()
            with closing(connect(settings)) as db:
                on = Rollbook(settings, db)
                owner = db.read_now(users.oldest_owner)
                assert owner is not None
                by = Principal(signed_in(owner.id, "owner", "active", None, NO_LIMIT), "", "", proven_at=clock.now())
                threading.setprofile(note)
                sys.setprofile(note)
                try:
                    job = on.run(imports.create(on, by, ImportOptions(), upload(number)))
                    import_process.run(settings, job.id)
                finally:
                    sys.setprofile(None)
                    threading.setprofile(None)  # type: ignore[arg-type]
                assert on.run(imports.get(on, by, job.id)).found.added == 21
    return calls


def main() -> None:
    calls = files_of_an_import()
    print(f"An import of 21 rows of CSV runs through {len(calls)} files of ours, with {sum(calls.values()):,} calls.")
    for path, count in sorted(calls.items()):
        print(f"{count:7,}  {path}")


if __name__ == "__main__":
    main()
