"""Locks in shared memory: against the C library's robust ones, and against an eventfd."""

from .table import Must, Table, pairs, values

NOTE = """\
*Uncontended*: one lock and unlock of a mutex that no other process wants. *Contended*: two
processes do nothing but lock and unlock it. *Op*: a lock as an op of a loop, over a blocking one of
the same run. *Wake*: the median time from the call that wakes to the callback in the loop of
another process. heald awaits a semaphore; the peer has by hand what is nearest to it: an eventfd in
epoll, a word in a futex entry of a ring. *Death*: the time from the SIGKILL of a lock's holder
until the next one has it, heald as an op, the peer blocking. A semaphore's permit and a read lock
are robust in heald and not in the C library. *Kills*: four workers are killed at random, each 0.02
to 0.7 ms after the last, over a mutex and a condition: how many kills until no worker makes
progress."""

WAKE = """\
Wake: an idle processor of a virtual machine comes back after one of two times, 3 or 10 us here, and
which one decides the median. The lower quartile is nearly always of the first. The way from the
kernel's return to the callback takes 0.2 us. On uring the entry waits for two words, not one, and
the poster of a semaphore has its monitor to pass. On epoll it rings an eventfd, which epoll sees:
one step more in the kernel than the peer has. Where there are no such entries (`by thread`), a
thread waits and wakes the loop: two wakes, one after the other."""

DEATH = """\
Death: the kernel tears a killed process down before it notifies the waiter, and that is nearly all
of the time: a plain robust mutex, waited for by blocking, takes as long (the rows below). On a busy
machine, whose processors do not sleep, half of that was seen."""

KILLS = 20000


def _over(result):
    return result["op_ns"] - result["uncontended_ns"]


def _wakes(table, programs, options, backend, peer, what):
    """One row: the way from a wake to the callback, against a peer's."""
    ours, theirs = pairs(
        options.pairs,
        lambda: programs.run("lock/heald_lock", cpu=None, backend=backend),
        lambda: programs.run(peer, cpu=None))
    table.add(f"{backend}: wake to callback against {what}", values(ours, "wake_ns"),
              values(theirs, "wake_ns"), "ns", Must(">=", 1 / 1.3), faster=True)
    table.add(f"{backend}: the same, lower quartile", values(ours, "wake_q1_ns"),
              values(theirs, "wake_q1_ns"), "ns", faster=True)
    return ours, theirs


def run(programs, options):
    table = Table("Locks in shared memory", NOTE)
    table.explain("wake", WAKE)
    table.explain("death", DEATH)
    for backend, peer, what in (("epoll", "lock/peer_libc", "an eventfd in epoll"),
                                ("uring", "lock/peer_uring", "a futex in io_uring")):
        ours, theirs = _wakes(table, programs, options, backend, peer, what)
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
        for which, bound in (("p50", 100.0), ("p99", 5000.0)):
            table.add(f"{backend}: death to callback, {which} (bound: {bound:.0f})",
                      values(ours, f"death_{which}_us"), [bound for _ in ours], "us",
                      Must("<=", 1))
        table.add(f"{backend}: death to callback, p50, against a blocking lock",
                  values(ours, "death_p50_us"), values(theirs, "death_p50_us"), "us", faster=True)
    ours, theirs = pairs(
        options.pairs,
        lambda: programs.run("lock/heald_lock", cpu=None, backend="epoll", waiter="thread"),
        lambda: programs.run("lock/peer_libc", cpu=None))
    table.add("epoll, by thread: wake to callback against an eventfd in epoll",
              values(ours, "wake_ns"), values(theirs, "wake_ns"), "ns", faster=True)
    for name, key in (("semaphore: a permit taken and given back", "permit_ns"),
                      ("read-write lock: locked for reading, unlocked", "read_ns")):
        ours, theirs = pairs(
            options.pairs,
            lambda: programs.run("lock/heald_lock", cpu=None, backend="epoll"),
            lambda: programs.run("lock/peer_libc", cpu=None))
        table.add(name + " (peer: not robust)", values(ours, key), values(theirs, key), "ns",
                  Must(">=", 0.5), faster=True)
    for what in ("mutex", "cond", "sem", "rwlock", "barrier", "participant"):
        table.add(f"size of a {what}", values(ours, what), values(theirs, what), "bytes")
    ours, theirs = pairs(
        min(options.pairs, 3),
        lambda: programs.run("soak/heald_soak", KILLS, cpu=None),
        lambda: programs.run("soak/peer_libc", KILLS, cpu=None))
    table.add(f"workers killed at random, of {KILLS:,}, before all hang", values(ours, "kills"),
              values(theirs, "kills"), "")
    table.add("the same: slowest recovery", values(ours, "slowest_us"), [], "us")
    table.print()
