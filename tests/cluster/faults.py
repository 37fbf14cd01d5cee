"""What goes wrong with machines: each fault begins, lasts, and ends by itself. Nothing is done about it."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.cluster import network
from tests.cluster.cluster import DATABASES, FOLDER, NODES, Cluster
from tests.cluster.machines import kill, wake

OFF = 30.0
"""Seconds that a lost database machine stays away: longer than Patroni's `ttl`."""
SKEW = 300
SLOW, LOSS = 0.15, 0.1
"""Seconds that a packet takes each way (300 ms there and back), and the share that is lost."""


@dataclass
class Scene:
    cluster: Cluster
    chance: random.Random
    told: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def say(self, text: str) -> None:
        self.told.append(text)

    def find(self, what: str) -> str:
        """The machine that has this part now."""
        ask = {
            "primary": self.cluster.primary,
            "etcd leader": self.cluster.etcd_leader,
            "valkey primary": self.cluster.valkey_primary,
            "node": lambda: self.chance.choice(NODES),
        }[what]
        until = time.monotonic() + 30
        while (name := ask()) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"there is no {what}")
            time.sleep(0.5)
        self.say(name)
        return name

    def hold(self, seconds: float) -> None:
        self.ended.wait(seconds)


Fault = Callable[[Scene], None]


def upgrade(scene: Scene) -> None:
    """No fault: the next node gets the present version."""
    scene.say(scene.cluster.upgrade())


def kill_primary(scene: Scene) -> None:
    """PostgreSQL on the primary: all its processes."""
    name = scene.find("primary")
    first = scene.cluster.postgres_process(name)
    if first is not None:
        kill([first, *_children(first)])


def kill_patroni(scene: Scene) -> None:
    _kill_service(scene, "primary", "patroni")


def kill_etcd_leader(scene: Scene) -> None:
    _kill_service(scene, "etcd leader", "etcd")


def kill_valkey_primary(scene: Scene) -> None:
    _kill_service(scene, "valkey primary", "valkey")
    scene.hold(15)


def _kill_service(scene: Scene, part: str, service: str) -> None:
    name = scene.find(part)
    scene.cluster.machines[name].kill(service)


def kill_node(scene: Scene) -> None:
    """Rollbook on a node, with its workers."""
    machine = scene.cluster.machines[scene.find("node")]
    process = machine.services["rollbook"].process
    if process is not None:
        kill([process.pid, *_children(process.pid)])


def lose_primary(scene: Scene) -> None:
    """The power of the primary's machine."""
    _lose(scene, [scene.find("primary")], OFF)


def lose_source(scene: Scene) -> None:
    """The power of the primary's machine; when it is back, PostgreSQL on the new primary, from which it is rewound."""
    name = scene.find("primary")
    _lose(scene, [name], OFF)
    log = FOLDER / name / "patroni.log"
    was = log.stat().st_size
    for _ in range(600):
        if b"running pg_rewind from" in log.read_bytes()[was:]:
            break
        scene.hold(0.05)
    scene.hold(scene.chance.uniform(0, 1))
    kill_primary(scene)


def lose_node(scene: Scene) -> None:
    _lose(scene, [scene.find("node")], 15)


def lose_all(scene: Scene) -> None:
    """The power of every machine, clients aside."""
    _lose(scene, [*DATABASES, *NODES, "balancer"], 5)


def _lose(scene: Scene, names: Sequence[str], seconds: float) -> None:
    threads = [threading.Thread(target=scene.cluster.machines[name].switch_off) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scene.hold(seconds)
    for name in names:
        scene.cluster.machines[name].switch_on()


def partition(part: str, direction: network.Direction) -> Fault:
    def cut(scene: Scene) -> None:
        name = scene.find(part)
        network.cut(name, direction)
        try:
            scene.hold(OFF if part == "primary" else 15)
        finally:
            network.mend(name)

    return cut


def slow(part: str) -> Fault:
    def slow_down(scene: Scene) -> None:
        name = scene.find(part)
        cable = network.SlowCable(name, SLOW, LOSS, scene.chance.randrange(1000))
        try:
            scene.hold(40)
        finally:
            cable.mend()

    return slow_down


def fill_disk(scene: Scene) -> None:
    """The primary's disk, for a while."""
    name = scene.find("primary")
    file = FOLDER / name / "data" / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={file}", "bs=64k"], check=False, capture_output=True)
    try:
        scene.hold(25)
    finally:
        file.unlink()


def pause_primary(scene: Scene) -> None:
    """It comes back after 40 s, and believes that it is the primary."""
    name = scene.find("primary")
    stopped = scene.cluster.machines[name].pause()
    try:
        scene.hold(40)
    finally:
        wake(stopped)


def skew_clocks(scene: Scene) -> None:
    """Two nodes and a standby have clocks that are 5 minutes apart; then PostgreSQL's primary dies, so that a machine
    with another clock takes its place. etcd keeps its own: libfaketime can't move a program in Go."""
    primary = scene.find("primary")
    skewed = {name: sign * SKEW // 2 for name, sign in zip(DATABASES, (1, -1, 1), strict=True) if name != primary}
    skewed |= {NODES[0]: SKEW // 2, NODES[1]: -SKEW // 2}
    try:
        for name, seconds in skewed.items():
            _set_clock(scene, name, seconds)
        scene.hold(15)
        kill_primary(scene)
        scene.hold(30)
    finally:
        for name in skewed:
            _set_clock(scene, name, 0)


def _set_clock(scene: Scene, name: str, seconds: int) -> None:
    service = "rollbook" if name in NODES else "patroni"
    machine = scene.cluster.machines[name]
    machine.services[service].clock = seconds
    machine.restart(service)
    with suppress(TimeoutError):
        if name in NODES:
            scene.cluster.wait_for("the node", lambda: scene.cluster.is_ready(name), 60)
        else:
            scene.cluster.wait_for("the standbys", scene.cluster.has_standbys, 60)


def _children(pid: int) -> list[int]:
    return [int(child) for child in network.run("pgrep", "-P", str(pid), check=False).split()]


UPGRADE = "upgrade"
FAULTS: dict[str, Fault] = {
    UPGRADE: upgrade,
    "kill primary": kill_primary,
    "kill patroni": kill_patroni,
    "kill etcd leader": kill_etcd_leader,
    "kill valkey primary": kill_valkey_primary,
    "kill node": kill_node,
    "lose primary": lose_primary,
    "lose node": lose_node,
    "lose source": lose_source,
    "lose all": lose_all,
    **{
        f"cut {part} {direction}": partition(part, direction)
        for part in ("primary", "etcd leader", "valkey primary", "node")
        for direction in ("both", "in", "out")
    },
    "slow primary": slow("primary"),
    "slow node": slow("node"),
    "full disk": fill_disk,
    "pause primary": pause_primary,
    "clocks apart": skew_clocks,
}
