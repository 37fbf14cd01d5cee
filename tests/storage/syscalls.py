"""Watches the system calls of a program and its threads (ptrace(2)), so that a test can count its fsyncs where no
strace is installed."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Iterator
from typing import NamedTuple

NUMBERS = {
    "x86_64": {1: "write", 44: "send", 74: "fsync", 75: "fdatasync"},
    "aarch64": {64: "write", 206: "send", 82: "fsync", 83: "fdatasync"},
}[platform.machine()]
FSYNCS = ("fsync", "fdatasync")

_TRACE_ME, _SYSCALL, _SET_OPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_TRACE_SYSCALLS, _TRACE_CLONE, _EXIT_KILL = 0x1, 0x8, 0x100000
_ENTRY, _EXIT = 1, 2
_ALL_THREADS = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Call(NamedTuple):
    """`first` is its first argument: the descriptor."""

    name: str
    first: int


def watch(command: list[str], output: int) -> Iterator[Call]:
    """Run a command, its standard output to a descriptor, and yield its writes and sends before they begin, and its
    fsyncs once they have succeeded: what is yielded before an answer was done before it, and who has an answer finds it
    noted."""
    process = os.fork()
    if process == 0:
        try:
            os.dup2(output, 1)
            _libc.ptrace(_TRACE_ME, 0, None, None)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    os.waitpid(process, 0)  # stopped by its exec
    if _libc.ptrace(_SET_OPTIONS, process, None, _TRACE_SYSCALLS | _TRACE_CLONE | _EXIT_KILL):
        raise OSError(ctypes.get_errno(), "ptrace")
    _libc.ptrace(_SYSCALL, process, None, None)
    begun: dict[int, Call] = {}
    info = ctypes.create_string_buffer(88)
    while True:
        thread, status = os.waitpid(-1, _ALL_THREADS)
        if not os.WIFSTOPPED(status):
            if thread == process:
                assert os.waitstatus_to_exitcode(status) == 0, status
                return
            continue
        stopped_by = os.WSTOPSIG(status)
        deliver = 0
        if stopped_by == signal.SIGTRAP | 0x80:
            _libc.ptrace(_GET_SYSCALL_INFO, thread, len(info), ctypes.addressof(info))
            if info.raw[0] == _ENTRY:
                number, first = struct.unpack_from("QQ", info.raw, 24)
                call = Call(NUMBERS.get(number, ""), first)
                if call.name in FSYNCS:
                    begun[thread] = call
                elif call.name:
                    yield call
            elif info.raw[0] == _EXIT and thread in begun:
                call = begun.pop(thread)
                if not info.raw[32]:
                    yield call
        elif stopped_by not in (signal.SIGTRAP, signal.SIGSTOP):
            deliver = stopped_by
        _libc.ptrace(_SYSCALL, thread, None, deliver)
