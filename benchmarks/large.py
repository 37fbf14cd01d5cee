"""Ten million users: import, start, both ends of the list, search, and all that again after a tenth of them is deleted
here and there."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from measure import as_json, measure
from own import search
from peers.rollbook import Rollbook

DELETED_SHARE = 0.1


def large_figures(users: int, seconds: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything of the large run, ready for JSON. The disk needs about 1 KB for each user."""
    peer = Rollbook("large")
    say(f"importing {users:,} users")
    shutil.rmtree(peer.folder, ignore_errors=True)
    peer.folder.mkdir(parents=True)
    peer.fill(users)
    figures: dict[str, Any] = {
        "users": users,
        "import_s": peer.import_seconds,
        "import_rows_per_second": users / peer.import_seconds,
    }
    figures["disk_gib"] = sum(file.stat().st_size for file in (peer.folder / "data").iterdir()) / 2**30
    say("starting")
    figures["first_200_s"] = peer.serve()
    figures["total"], figures["total_expected"] = peer.total(), users + 1  # and the owner

    say("collecting ids")
    ids = list(peer.all_ids())
    keep = random.Random(3)
    doomed = [id for id in ids[:-1] if keep.random() < DELETED_SHARE]
    gone = set(doomed)
    sample = keep.sample([id for id in ids if id not in gone], 100_000 if users > 200_000 else users // 2)
    (peer.folder / "ids").write_text("\n".join(sample) + "\n")
    keep.shuffle(doomed)
    del ids, gone

    def read(label: str) -> Iterator[dict[str, object]]:
        peer.calls = peer.calls_for(peer.total(), peer.folder / "ids")
        for _ in range(rounds):
            for workload in ("W1", "W1d", "W2"):
                say(f"{workload}, {label}")
                yield from as_json(measure(peer, workload, seconds))

    figures["before"] = list(read("all users"))
    say("searching")
    figures["search"] = search(peer)
    say(f"deleting {len(doomed):,} users")
    asyncio.run(delete_all(peer.port, peer.headers, doomed))
    peer.process.settle()
    figures["deleted"] = len(doomed)
    figures["total_after"], figures["total_after_expected"] = peer.total(), users + 1 - len(doomed)
    figures["after"] = list(read("after the deletions"))
    figures["memory_mib"] = peer.process.memory_mib()
    peer.process.stop()
    shutil.rmtree(peer.folder)
    return figures


async def delete_all(port: int, headers: Mapping[str, str], ids: list[str], connections: int = 32) -> None:
    """DELETE each of them over the API. Raises RuntimeError at the first that is not answered by 204."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "Content-Type")

    async def client(mine: list[str]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for id in mine:
            writer.write(f"DELETE /v1/users/{id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 204 "):
                raise RuntimeError(f"DELETE {id} answered {head!r}")
        writer.close()

    await asyncio.gather(*(client(ids[number::connections]) for number in range(connections)))
