"""A chat server: the example on heald against the same on libuv."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from .programs import Failed, cpu_ns, environment, pinned
from .table import Must, Table, pairs, values

NOTE = """\
1,000 clients; one after another sends a line of 64 bytes, which all others get. The processor
time is the server's, user and kernel, for each line that is delivered. Allocations are counted
by valgrind with 20 clients, as the difference of a run and one that is twice as long."""

CLIENTS, LINES = 1000, 300
COUNTED_CLIENTS, COUNTED_LINES = 20, 100
SOURCES = {"chat/heald_chat": "examples/chat.c", "chat/peer_uv": "bench/chat/peer_uv.c"}


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _wait_for(port, process):
    for _ in range(500):
        if process.poll() is not None:
            raise Failed("a chat server ended at its start")
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failed("a chat server does not listen")


@contextlib.contextmanager
def _server(programs, name, backend, wrapper=()):
    port = _free_port()
    address = f"127.0.0.1:{port}" if name == "chat/heald_chat" else str(port)
    process = subprocess.Popen([*wrapper, programs.path(name), address],
                               env=environment(backend), **pinned(0))
    try:
        _wait_for(port, process)
        yield process, port
    finally:
        process.terminate()
        process.wait()


def _measure(programs, name, backend):
    if not programs.path(name):
        return None
    with _server(programs, name, backend) as (process, port):
        programs.run("chat/load", port, CLIENTS, 2, cpu=1)
        before = cpu_ns(process.pid)
        result = programs.run("chat/load", port, CLIENTS, LINES, cpu=1)
        after = cpu_ns(process.pid)
    return {"cpu": (after - before) / result["delivered"]}


def _allocations(programs, name):
    """Of a line that is sent, by valgrind; None where it is not there."""
    if not shutil.which("valgrind") or not programs.path(name):
        return None
    totals = []
    for lines in (COUNTED_LINES, 2 * COUNTED_LINES):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            wrapper = ("valgrind", f"--log-file={log}")
            with _server(programs, name, "epoll", wrapper) as (_, port):
                programs.run("chat/load", port, COUNTED_CLIENTS, lines, cpu=1)
            with open(log, encoding="utf-8") as f:
                found = re.search(r"total heap usage: ([\d,]+) allocs", f.read())
        if not found:
            return None
        totals.append(int(found.group(1).replace(",", "")))
    return (totals[1] - totals[0]) / COUNTED_LINES


def _lines(name):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, SOURCES[name]), encoding="utf-8") as f:
        return sum(1 for line in f if line.strip())


def run(programs, options):
    table = Table("Chat", NOTE)
    ours, theirs = "chat/heald_chat", "chat/peer_uv"
    for backend in ("epoll", "uring"):
        mine, peer = pairs(options.pairs,
                           lambda: _measure(programs, ours, backend),
                           lambda: _measure(programs, theirs, None))
        table.add(f"{backend} against libuv: processor time a line", values(mine, "cpu"),
                  values(peer, "cpu"), "ns", Must(">=", 1 / 0.9), faster=True)
    counts = [[count] if count is not None else []
              for count in (_allocations(programs, ours), _allocations(programs, theirs))]
    table.add("allocations a line", counts[0], counts[1])
    table.add("lines of the program that are not empty", [_lines(ours)], [_lines(theirs)], "",
              Must("<=", 1))
    table.print()
