"""What grows with the number of what is pending: polls that are cancelled, a crowd of clients, and
the cost of one operation beside many."""

from . import counts
from .table import Must, Table, pairs, values

COUNTS = (10, 1000, 100000)
CROWDS = (100, 1000, 10000)
NOTE = """\
*Cancelled*: so many polls are armed, on one descriptor and on 10,000, and each is cancelled;
the time for all of them, back end uring against epoll. *At once*: so many clients connect, then all
send 64 bytes, receive them, and close; the server's processor time, against its own on epoll."""
CANCELLED_US = 500000
PROGRAM = "growth/heald_growth"


EACH_NOTE = """\
The cost of one operation where so many are pending, against the cost where 10 are: user
instructions, which are exact, and processor time, user and kernel. 100,000 is cut to what the limit
of descriptors allows; the row says how many there were. *echo*: a message on a connection, beside
idle ones that each wait for one. *timers*: so many are armed, fire, and are cancelled. *cancel*:
receives that wait, each on a socket of its own. *close*: heald_close() of a socket with such a
receive. *accept*: a connection, and the submit of its first receive."""
EACH_COUNTS = {"epoll": (1000, 100000), "uring": (1000, 100000), "poll": (1000,),
               "select": (1000,)}
EACH_CASES = {"echo": ("each_ns",), "timers": ("arm_ns", "fire_ns", "cancel_ns"),
              "cancel": ("each_ns",), "close": ("each_ns",), "accept": ("each_ns",)}
MEASURED = "growth_measured"

CANCEL_EPOLL = """\
Cancel on epoll: the instructions are the same; at 10 all is in the first-level cache and the whole
takes 20 to 50 ns, while of 20,000 each op, its place in the table of descriptors and its callback
are fetched from memory again."""
CANCEL_URING = """\
Cancel on uring: few sockets whose receives are cancelled again and again wait by readiness, where a
cancel makes no system call; so 10 cost next to nothing. Of many, the ring has the waits of 16 for
each entry. For each cancel the kernel walks along a list of up to 128 of those (io_poll_find()).
The rest wait by readiness from the beginning."""
CLOSE_EPOLL = """\
Close on epoll: the instructions are the same. The kernel takes longer to free many sockets at once
than one that it has just made: sockets closed by hand show the same growth."""
CLOSE_URING = """\
Close on uring: as on epoll, and as a cancel."""


def _polls(programs, backend, count, descriptors):
    return programs.run(PROGRAM, "polls", count, descriptors, backend=backend)


def _crowd(programs, backend, count):
    return programs.run(PROGRAM, "crowd", count, backend=backend)


def _microseconds(result):
    return result["cancel_s"] * 1e6


def _instructions(programs, case, backend, count):
    result = counts.instructions_in(programs, MEASURED, PROGRAM, case, count, backend=backend)
    return [result] if result and result["instructions"] else []


def _instructions_each(result):
    return result["instructions"] / result["items"]


def _must(case, backend):
    return Must("<=", 3 if case == "timers" else 1.5) if backend in ("epoll", "uring") else None


def _each(table, programs, options, case, backend):
    few = _instructions(programs, case, backend, 10)
    for count in EACH_COUNTS[backend]:
        many = _instructions(programs, case, backend, count)
        if few and many:
            table.add(f"{case}, {backend}, {many[0]['count']:,.0f}: user instructions",
                      values(many, _instructions_each), values(few, _instructions_each), "",
                      _must(case, backend))
        ours, theirs = pairs(
            options.pairs,
            lambda: programs.run(PROGRAM, case, count, backend=backend),
            lambda: programs.run(PROGRAM, case, 10, backend=backend))
        number = ours[0]["count"] if ours else count
        for key in EACH_CASES[case]:
            what = f" to {key[:-3]}" if case == "timers" else ""
            table.add(f"{case}, {backend}, {number:,.0f}: time{what}", values(ours, key),
                      values(theirs, key), "ns", _must(case, backend))


def _run_each(programs, options):
    table = Table("Growth of each", EACH_NOTE, peer="with 10")
    table.explain("cancel, epoll", CANCEL_EPOLL)
    table.explain("cancel, uring", CANCEL_URING)
    table.explain("close, epoll", CLOSE_EPOLL)
    table.explain("close, uring", CLOSE_URING)
    for case in EACH_CASES:
        for backend in EACH_COUNTS:
            _each(table, programs, options, case, backend)
    table.print()


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
    _run_each(programs, options)
