"""Memory: per op, per timer, per idle loop, per idle connection of the echo servers."""

import socket
import time

from .programs import Failed, resident
from .table import Must, Table, values

CONNS = 1000
WARM_UP = 5000  # echoes: more than a server has buffers
MULTI_BYTES = 256
NOTE = """\
Bytes. A timer is counted by its struct and by the growth of resident anonymous memory when a
million are armed. An idle loop on the back end uring is compared with a ring by hand that has
the full size at once: resident memory of all kinds, for each of 8; and the time to open one. An
idle connection has echoed one message and is kept open; the figure is the
growth of the server's resident anonymous memory for each of 1,000, without what the kernel
holds; *multishot* is heald's server whose idle connections are one op and hold no buffer, against
what one op and a group of buffers may take. In heald a timer is an op."""


def _idle_connection(programs, name, backend=None):
    with programs.server(name, backend) as server:
        if server is None:
            return []
        conns = [_connect(server.port)]
        for _ in range(WARM_UP):  # what is allocated or touched once is not counted
            _echo(conns[0])
        before = resident(server.pid)
        for _ in range(CONNS):
            conns.append(_connect(server.port))
            _echo(conns[-1])
        time.sleep(0.2)
        after = resident(server.pid)
        for conn in conns:
            conn.close()
    return [] if before is None or after is None else [(after - before) / CONNS]


def _connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _echo(conn):
    conn.sendall(b"x" * 64)
    received = 0
    while received < 64:
        n = len(conn.recv(64))
        if n == 0:
            raise Failed("a server closed a connection")
        received += n


def _loops(programs, options, table):
    for entries in (256, 4096, 32768):
        loop, ring = [], []
        for _ in range(options.pairs):
            for name, results in (("heald_idle", loop), ("peer_idle", ring)):
                if result := programs.run(f"memory/{name}", entries):
                    results.append(result)
        case = f"idle loop, uring, against a whole ring by hand, entries {entries:,}"
        table.add(f"{case}: resident", values(loop, "resident"), values(ring, "resident"))
        table.add(f"{case}: time to open", _microseconds(loop), _microseconds(ring), "us",
                  faster=True)


def _microseconds(results):
    return values(results, lambda result: result["open"] / 1000)


def run(programs, options):
    table = Table("Memory", NOTE)
    timers = {name: [r] if (r := programs.run(f"timers/{name}")) else []
              for name in ("heald_timers", "peer_uv", "peer_event", "peer_ev")}
    for peer, library in (("peer_uv", "libuv"), ("peer_event", "libevent"), ("peer_ev", "libev")):
        for what, key in (("struct of a timer (heald: of any op)", "size"),
                          ("resident for an armed timer", "resident")):
            table.add(f"against {library}: {what}", values(timers["heald_timers"], key),
                      values(timers[peer], key))
    _loops(programs, options, table)
    for backend, peer in (("epoll", "peer_epoll"), ("uring", "peer_uring"), ("epoll", "peer_uv"),
                          ("epoll", "peer_event"), ("epoll", "peer_ev")):
        table.add(f"idle connection, {backend} against {peer}",
                  _idle_connection(programs, "echo/heald_echo", backend),
                  _idle_connection(programs, f"echo/{peer}"))
    for backend in ("epoll", "uring"):
        ours = _idle_connection(programs, "echo/heald_multi", backend)
        table.add(f"idle connection, multishot, {backend}, against what is allowed", ours,
                  [MULTI_BYTES] * len(ours), "", Must("<=", 1))
    table.print()
