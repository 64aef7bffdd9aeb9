"""A million timers."""

from .table import Must, Table, pairs, values

NOTE = """\
A million timers with the same pseudo-random delays of 1 to 1000 ms. *Fire*: all are overdue,
the loop runs until each has called back. *Cancel*: all, in a shuffled order."""

CASES = (
    ("arm + fire", lambda r: r["arm_ns"] + r["fire_ns"], True),
    ("arm + cancel", lambda r: r["rearm_ns"] + r["cancel_ns"], True),
    ("arm", "arm_ns", False),
    ("fire", "fire_ns", False),
    ("cancel", "cancel_ns", False),
)


def run(programs, options):
    table = Table("Timers", NOTE)
    for peer, library, must in (("uv", "libuv", Must(">=", 3)), ("event", "libevent", None),
                                ("ev", "libev", None)):
        ours, theirs = pairs(
            options.pairs,
            lambda: programs.run("timers/heald_timers"),
            lambda: programs.run(f"timers/peer_{peer}"))
        for case, key, judged in CASES:
            table.add(f"against {library}: {case}", values(ours, key), values(theirs, key),
                      "ns/timer", must if judged else None, faster=True)
    table.print()
