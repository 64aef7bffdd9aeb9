"""What grows with the number of what is pending: polls that are cancelled, a crowd of clients."""

from .table import Must, Table, pairs, values

COUNTS = (10, 1000, 100000)
CROWDS = (100, 1000, 10000)
NOTE = """\
*Cancelled*: so many polls are armed, on one descriptor and on 10,000, and each is cancelled;
the time for all of them, back end uring against epoll. *At once*: so many clients connect, then all
send 64 bytes, hear them, and close; the server's processor time, against its own on epoll."""
CANCELLED_US = 500000
PROGRAM = "growth/heald_growth"


def _polls(programs, backend, count, descriptors):
    return programs.run(PROGRAM, "polls", count, descriptors, backend=backend)


def _crowd(programs, backend, count):
    return programs.run(PROGRAM, "crowd", count, backend=backend)


def _microseconds(result):
    return result["cancel_s"] * 1e6


def run(programs, options):
    table = Table("Growth", NOTE)
    for count in COUNTS:
        for descriptors in (1, min(count, 10000)):
            ours, theirs = pairs(
                options.pairs,
                lambda: _polls(programs, "uring", count, descriptors),
                lambda: _polls(programs, "epoll", count, descriptors))
            times = values(ours, _microseconds)
            # The bound is on the time, which the ratio to the bound says as well.
            table.add(f"{count:,} polls on {descriptors:,} cancelled, uring", times,
                      [CANCELLED_US] * len(times), "us", Must("<=", 1) if count == 100000 else None)
            table.add(f"{count:,} polls on {descriptors:,} cancelled, uring against epoll",
                      times, values(theirs, _microseconds), "us")
    for count in CROWDS:
        for backend in ("poll", "select", "uring"):
            ours, theirs = pairs(
                options.pairs,
                lambda: _crowd(programs, backend, count),
                lambda: _crowd(programs, "epoll", count))
            judged = count == 10000 and backend != "uring"
            table.add(f"{count:,} clients at once, {backend} against epoll",
                      values(ours, "cpu_ms"), values(theirs, "cpu_ms"), "ms",
                      Must("<=", 3) if judged else None)
    table.print()
