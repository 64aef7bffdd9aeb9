"""A million timers."""

from .table import Must, Table, pairs, values

NOTE = """\
A million timers with the same pseudo-random delays of 1 to 1000 ms. *Fire*: all are overdue,
the loop runs until each has called back. *Cancel*: all, in a shuffled order."""

CASES = (
    ("arm + fire", lambda r: r["arm_ns"] + r["fire_ns"]),
    ("arm + cancel", lambda r: r["rearm_ns"] + r["cancel_ns"]),
    ("arm", "arm_ns"),
    ("fire", "fire_ns"),
    ("cancel", "cancel_ns"),
)
MOVE_NS = 100


MUST = {("libuv", "arm + fire"): Must(">=", 3), ("libuv", "arm + cancel"): Must(">=", 3),
        ("libev", "arm + cancel"): Must(">=", 1)}

CANCEL = """\
Cancel against libev: a timer that is cancelled leaves a list, whose neighbours lie anywhere in
memory, and its callback is told of it: three lines of the cache, each on a page of its own. A timer
of libev has no callback then, and lies in an array."""


def run(programs, options):
    table = Table("Timers", NOTE)
    table.explain("against libev: arm + cancel", CANCEL)
    for peer, library in (("uv", "libuv"), ("event", "libevent"), ("ev", "libev")):
        ours, theirs = pairs(
            options.pairs,
            lambda: programs.run("timers/heald_timers"),
            lambda: programs.run(f"timers/peer_{peer}"))
        for case, key in CASES:
            table.add(f"against {library}: {case}", values(ours, key), values(theirs, key),
                      "ns/timer", MUST.get((library, case)), faster=True)
        if peer == "uv":
            moves = values(ours, "move_ns")
            table.add(f"against {library}: move", moves, values(theirs, "move_ns"), "ns/timer",
                      faster=True)
            table.add("move against what is allowed", moves, [MOVE_NS] * len(moves), "ns/timer",
                      Must("<=", 1))
    table.print()
