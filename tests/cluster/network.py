"""Machines of the cluster's network: a namespace each, joined by a switch that nothing outside has a way to; cables that
are cut, in one direction or both, and cables that delay and lose packets."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

NUMBER = os.environ.get("ROLLBOOK_CLUSTER", "")
"""Of the cluster, where several run on this machine."""
PREFIX = f"rollbook{NUMBER}-"
SWITCH = f"{PREFIX}switch"
NETWORK = "10.91.0"
Direction = Literal["in", "out", "both"]
_CLONE_NEWNET = 0x40000000


def run(*command: str, check: bool = True, input: str | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=input)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def namespaces() -> list[str]:
    """Those that an earlier run left, too."""
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX)]


def create(addresses: dict[str, str]) -> None:
    """A namespace for each machine, at this address, and the switch between them."""
    run("ip", "netns", "add", SWITCH)
    run("ip", "-n", SWITCH, "link", "add", "switch", "type", "bridge")
    run("ip", "-n", SWITCH, "link", "set", "switch", "up")
    for name, address in addresses.items():
        space = PREFIX + name
        run("ip", "netns", "add", space)
        plug(name, "eth0", "switch")
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")


def plug(name: str, device: str, bridge: str) -> None:
    """A cable between a machine's `device` and the switch, whose end of it has the machine's name."""
    run("ip", "-n", SWITCH, "link", "add", name, "type", "veth", "peer", "name", device, "netns", PREFIX + name)
    run("ip", "-n", SWITCH, "link", "set", name, "master", bridge, "up")


def processes(name: str) -> list[int]:
    return [int(pid) for pid in run("ip", "netns", "pids", PREFIX + name, check=False).split()]


def remove() -> None:
    """End all that runs in the namespaces, and delete them."""
    for space in namespaces():
        for _ in range(50):
            pids = [pid for pid in processes(space.removeprefix(PREFIX)) if pid != os.getpid()]
            if not pids:
                break
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        run("ip", "netns", "delete", space, check=False)


def enter(name: str) -> None:
    """This thread, and all that it starts, is on that machine from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{PREFIX}{name}") as space:
        if libc.setns(space.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def cut(name: str, direction: Direction) -> None:
    """Drop what the machine receives, sends, or both; what stays inside of it passes."""
    hooks = ["input", "output"] if direction == "both" else [{"in": "input", "out": "output"}[direction]]
    rules = "".join(
        f"chain {hook} {{ type filter hook {hook} priority 0; {'iifname' if hook == 'input' else 'oifname'} eth0 drop; }}\n"
        for hook in hooks
    )
    run("ip", "netns", "exec", PREFIX + name, "nft", "-f", "-", input=f"table inet cut {{\n{rules}}}\n")


def mend(name: str) -> None:
    run("ip", "netns", "exec", PREFIX + name, "nft", "delete table inet cut", check=False)


class SlowCable:
    """A machine's cable that passes each packet on after `delay` seconds, or loses it. A program does it, as this
    project can't rely on `tc netem`: not every kernel has it."""

    def __init__(self, name: str, delay: float, loss: float, seed: int) -> None:
        self._name = name
        run("ip", "-n", SWITCH, "link", "set", name, "nomaster")
        run("ip", "-n", SWITCH, "link", "add", "slow0", "type", "veth", "peer", "name", "slow1")
        run("ip", "-n", SWITCH, "link", "set", "slow0", "up")
        run("ip", "-n", SWITCH, "link", "set", "slow1", "master", "switch", "up")
        program = [sys.executable, str(Path(__file__).with_name("slow_cable.py"))]
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", SWITCH, *program, name, "slow0", str(delay), str(loss), str(seed)],
            stdin=subprocess.DEVNULL,
        )

    def mend(self) -> None:
        self._process.kill()
        self._process.wait()
        run("ip", "-n", SWITCH, "link", "delete", "slow0", check=False)
        run("ip", "-n", SWITCH, "link", "set", self._name, "master", "switch")


def command_on(name: str, command: Sequence[str], user: str | None = None) -> list[str]:
    """The command as it runs on that machine, as this user."""
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return ["ip", "netns", "exec", PREFIX + name, *as_user, *command]
