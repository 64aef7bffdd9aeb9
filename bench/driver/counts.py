"""System calls and user instructions per echo: counted for N and for 2 N echoes, so that start-up
and end, which are the same in both, cancel out."""

import os
import re
import shutil
import tempfile

from .programs import wait_for_file

ECHOES = 10000
LIMIT_S = 120


def _strace(programs, name, backend, conns, count):
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "strace")
        # -D: the server stays our child, strace is its grandchild.
        wrapper = ("strace", "-D", "-c", "-f", "-o", report)
        with programs.server(name, backend, wrapper) as server:
            if server is None:
                return None
            programs.load(server, conns, LIMIT_S, count)
        total = re.search(r"^\s*100\.00.*?(\d+)(?:\s+\d+)?\s+total$", wait_for_file(report), re.M)
    return int(total.group(1)) if total else None


def _callgrind(programs, name, backend, conns, count):
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "callgrind")
        wrapper = ("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={report}")
        with programs.server(name, backend, wrapper) as server:
            if server is None:
                return None
            programs.load(server, conns, LIMIT_S, count)
        total = re.search(r"^(?:totals|summary): (\d+)", wait_for_file(report), re.M)
    return int(total.group(1)) if total else None


def _per_echo(count, tool, programs, name, backend, conns):
    if not shutil.which(tool):
        return None
    once = count(programs, name, backend, conns, ECHOES)
    twice = count(programs, name, backend, conns, 2 * ECHOES)
    return (twice - once) / ECHOES if once and twice else None


def syscalls_per_echo(programs, name, backend, conns):
    return _per_echo(_strace, "strace", programs, name, backend, conns)


def instructions_per_echo(programs, name, backend, conns):
    return _per_echo(_callgrind, "valgrind", programs, name, backend, conns)
