"""Pipes: the method of libevent's bench."""

from .table import Must, Table, pairs, values

NOTE = """\
Socket pairs, of which 100 carry a token, 10,000 writes; all events are re-added before each of
25 runs. `run` is the turns of the loop, `total` has the re-adding too: the medians of the runs.
The row of epoll by hand shows what the system calls alone cost, which is nearly all of `run`.
{count}"""


def run(programs, options):
    table = Table("Pipes")
    count = None
    for peer, library, must in (("event", "libevent", Must(">=", 1)),
                                ("ev", "libev", Must(">=", 1)),
                                ("uv", "libuv", None), ("epoll", "epoll by hand", None)):
        for backend in ("epoll", "uring") if must else ("epoll",):
            ours, theirs = pairs(
                options.pairs,
                lambda: programs.run("pipes/heald_pipes", "-n", 10000, backend=backend),
                lambda: programs.run(f"pipes/peer_{peer}", "-n", 10000))
            for key in ("run", "total"):
                table.add(f"{backend} against {library}: {key}", values(ours, f"{key}_us"),
                          values(theirs, f"{key}_us"), "us", must, faster=True)
            for result in ours + theirs:
                count = int(result["pairs"])
    table.note = NOTE.format(count="" if count in (None, 10000) else
                             f"The limit of descriptors allowed {count:,} pairs here, not 10,000.")
    table.print()
