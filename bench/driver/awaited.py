"""What grows with the number of locks that are awaited in a loop."""

from .table import Must, Table, pairs, values

NOTE = """\
So many ops of a loop wait for a mutex each, all of which another process has; one more waits for a
semaphore, to which that process posts 2,000 times, 0.2 ms after the last. *CPU per wake* is the
processor time of the whole process, its threads too, for each post; *wake* the time from the post
to the callback, median; *submit* and *cancel* are those of the many. The peer of these rows is the
same program with ten ops. *Idle*: the load of one processor by the process while nothing happens,
in percent of it; the peer is the bound. `by thread`: HEALD_AWAIT=thread. Not pinned."""

PROGRAM = "lock/heald_awaited"
WAYS = (("uring", None), ("epoll", None), ("poll", None), ("select", None), ("epoll", "thread"))
DETAILS = ("uring", "epoll")  # also the times of a wake, a submit and a cancel
FEW, MANY, WAKES, SHORT_MS = 10, (1000, 10000), 2000, 1
IDLE, IDLE_MS, IDLE_BOUND = 2000, 4000, 0.1


def _awaited(programs, way, count, wakes=WAKES, idle_ms=SHORT_MS):
    backend, waiter = way
    return programs.run(PROGRAM, count, wakes, idle_ms, cpu=None, backend=backend, waiter=waiter)


def _name(way):
    return way[0] + (", by thread" if way[1] else "")


def run(programs, options):
    table = Table("Awaited locks", NOTE)
    for way in WAYS:
        for count in MANY:
            ours, theirs = pairs(
                options.pairs,
                lambda: _awaited(programs, way, count),
                lambda: _awaited(programs, way, FEW))
            must = Must("<=", 1.5) if count == MANY[-1] else None
            table.add(f"{_name(way)}: CPU per wake, {count:,} awaited",
                      values(ours, "wake_cpu_us"), values(theirs, "wake_cpu_us"), "us", must)
            if not must or way[0] not in DETAILS:
                continue
            for what, key in (("wake", "wake_ns"), ("submit", "submit_us"),
                              ("cancel", "cancel_us")):
                table.add(f"{_name(way)}: {what}, {count:,} awaited", values(ours, key),
                          values(theirs, key), "ns" if what == "wake" else "us")
    for way in WAYS:
        ours, _ = pairs(min(options.pairs, 3),
                        lambda: _awaited(programs, way, IDLE, 1, IDLE_MS), lambda: None)
        table.add(f"{_name(way)}: idle, {IDLE:,} awaited", values(ours, "idle_percent"),
                  [IDLE_BOUND for _ in ours], "%", Must("<=", 1))
    table.print()
