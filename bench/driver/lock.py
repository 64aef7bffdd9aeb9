"""Locks in shared memory: against the C library's robust ones, and against an eventfd."""

from .table import Must, Table, pairs, values

NOTE = """\
One lock and unlock of a mutex that nobody else wants; two processes that do nothing but take it in
turns; a lock as an op of a loop, over a blocking one of the same run; and the median time from the
call that wakes to the callback in another process's loop (heald: a semaphore, awaited; the C
library has nothing that a loop could wait for, so there it is an eventfd in epoll)."""

WAKE = """\
Wake: a thread waits for the semaphore and rings the loop by an eventfd: two wakes, one after the
other, where the peer has one."""


def _over(result):
    return result["op_ns"] - result["uncontended_ns"]


def run(programs, options):
    table = Table("Locks in shared memory", NOTE)
    table.explain("wake", WAKE)
    for backend in ("epoll", "uring"):
        ours, theirs = pairs(
            options.pairs,
            lambda: programs.run("lock/heald_lock", cpu=None, backend=backend),
            lambda: programs.run("lock/peer_libc", cpu=None))
        if backend == "epoll":
            table.add("lock and unlock", values(ours, "uncontended_ns"),
                      values(theirs, "uncontended_ns"), "ns", Must(">=", 1), faster=True)
            table.add("two processes", values(ours, "contended"), values(theirs, "contended"),
                      "/s", Must(">=", 1))
            table.add("two processes: longest wait", values(ours, "longest_us"),
                      values(theirs, "longest_us"), "us", faster=True)
        sixty = [60.0 for _ in ours]
        table.add(f"{backend}: lock as an op, over a blocking one (peer: 60)",
                  values(ours, _over), sixty, "ns", Must("<=", 1))
        table.add(f"{backend}: wake to callback against an eventfd", values(ours, "wake_ns"),
                  values(theirs, "wake_ns"), "ns", Must(">=", 1 / 1.3), faster=True)
    table.print()
