"""TCP echo: heald on epoll and on io_uring against servers written by hand, and other libraries."""

from . import counts
from .programs import cpu_ns
from .table import Must, Table, pairs, values

CONNS = (1, 50, 500)
COUNTED_CONNS = (1, 50)
NOTE = """\
64 bytes, one message in flight on each connection; server and load on a processor each. Rates
are echoes a second, so is the ratio. The processor time is the server's, user and kernel; it
tells servers apart even where the load is what limits the rate. System calls and user
instructions are exact counts on one connection; on several they depend on how many echoes meet
in one turn. The first rows compare a program with itself: a ratio in that range says nothing.
*Multishot* is a second server on heald, whose idle connections are one op and hold no buffer,
against the first. *Streams* is a third, on `heald_stream`, against the first."""

HEALD = "echo/heald_echo"
MULTI = "echo/heald_multi"
ALLOWED = {("epoll", 1): 400, ("epoll", 50): 300, ("uring", 1): 900, ("uring", 50): 600}
MULTI_INSTRUCTIONS = 400
STREAM = "echo/heald_stream"


def _measure(programs, name, backend, conns, seconds):
    with programs.server(name, backend) as server:
        if server is None:
            return None
        programs.load(server, conns, 1, count=20 * conns)
        before = cpu_ns(server.pid)
        result = programs.load(server, conns, seconds)
        after = cpu_ns(server.pid)
    if before is not None and after is not None:
        # The warm-up is a tenth of the time: it is in the processor time, not in the echoes.
        result["cpu"] = (after - before) * 0.9 / result["echoes"]
    return result


def _rates(table, programs, options, backend, peer, must):
    for conns in CONNS:
        ours, theirs = pairs(
            options.pairs,
            lambda: _measure(programs, HEALD, backend, conns, options.seconds),
            lambda: _measure(programs, f"echo/peer_{peer}", None, conns, options.seconds))
        case = f"{backend} against {peer} by hand, {conns} conn."
        table.add(f"{case}: rate", values(ours, "rate"), values(theirs, "rate"), "/s", must)
        table.add(f"{case}: p50", values(ours, "p50"), values(theirs, "p50"), "ns", faster=True)
        table.add(f"{case}: p99", values(ours, "p99"), values(theirs, "p99"), "ns", faster=True)
        table.add(f"{case}: processor time", values(ours, "cpu"), values(theirs, "cpu"), "ns/echo",
                  faster=True)


def _noise(table, programs, options):
    once, again = pairs(
        options.pairs,
        lambda: _measure(programs, "echo/peer_epoll", None, 50, options.seconds),
        lambda: _measure(programs, "echo/peer_epoll", None, 50, options.seconds))
    table.add("noise: epoll by hand against itself, 50 conn.: rate", values(once, "rate"),
              values(again, "rate"), "/s")
    table.add("noise: epoll by hand against itself, 50 conn.: processor time", values(once, "cpu"),
              values(again, "cpu"), "ns/echo", faster=True)


def _counts(table, programs, backend, peer):
    for conns in COUNTED_CONNS:
        for what, count, must in (
                ("system calls", counts.syscalls_per_echo, Must("<=", 1.05)),
                ("user instructions", counts.instructions_per_echo, None)):
            ours, theirs = pairs(
                1 if conns == 1 else 3,
                lambda: count(programs, HEALD, backend, conns),
                lambda: count(programs, f"echo/peer_{peer}", None, conns))
            table.add(f"{backend}, {conns} conn.: {what} an echo", ours, theirs, "",
                      must if backend == "epoll" or conns == 1 else None)
            if what == "user instructions":
                table.add(f"{backend}, {conns} conn.: instructions against what is allowed", ours,
                          [ALLOWED[backend, conns]] * len(ours), "", Must("<=", 1))


def _multishot(table, programs, backend):
    for conns in COUNTED_CONNS:
        for what, count in (("system calls", counts.syscalls_per_echo),
                            ("user instructions", counts.instructions_per_echo)):
            multi, single = pairs(
                1 if conns == 1 else 3,
                lambda: count(programs, MULTI, backend, conns),
                lambda: count(programs, HEALD, backend, conns))
            table.add(f"multishot, {backend}, {conns} conn.: {what} an echo", multi, single)
            if backend == "epoll" and what == "user instructions":
                table.add(f"multishot, epoll, {conns} conn.: instructions against what is allowed",
                          multi, [MULTI_INSTRUCTIONS] * len(multi), "", Must("<=", 1))


def _streams(table, programs, backend):
    for conns in COUNTED_CONNS:
        for what, count, must in (
                ("system calls", counts.syscalls_per_echo, None),
                ("user instructions", counts.instructions_per_echo, Must("<=", 1.15))):
            streams, bare = pairs(
                1 if conns == 1 else 3,
                lambda: count(programs, STREAM, backend, conns),
                lambda: count(programs, HEALD, backend, conns))
            table.add(f"streams, {backend}, {conns} conn.: {what} an echo", streams, bare, "", must)


def _others(table, programs, options):
    for peer, library in (("uv", "libuv"), ("event", "libevent"), ("ev", "libev")):
        ours, theirs = pairs(
            options.pairs,
            lambda: _measure(programs, HEALD, "epoll", 50, options.seconds),
            lambda: _measure(programs, f"echo/peer_{peer}", None, 50, options.seconds))
        table.add(f"epoll against {library}, 50 conn.: rate", values(ours, "rate"),
                  values(theirs, "rate"), "/s")
        table.add(f"epoll against {library}, 50 conn.: processor time", values(ours, "cpu"),
                  values(theirs, "cpu"), "ns/echo", faster=True)


RATE = """\
Rate on epoll: compare with the noise of the first row. A turn receives from all its connections
and then sends to all, while the server by hand is done with one before it looks at the next."""


def run(programs, options):
    table = Table("TCP echo", NOTE)
    table.explain("epoll against epoll by hand", RATE)
    _noise(table, programs, options)
    _rates(table, programs, options, "epoll", "epoll", Must(">=", 0.97))
    _counts(table, programs, "epoll", "epoll")
    _rates(table, programs, options, "uring", "uring", Must(">=", 1.0, noise=True))
    _counts(table, programs, "uring", "uring")
    _multishot(table, programs, "epoll")
    _multishot(table, programs, "uring")
    _streams(table, programs, "epoll")
    _streams(table, programs, "uring")
    _others(table, programs, options)
    table.print()
