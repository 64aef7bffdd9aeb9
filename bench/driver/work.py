"""Functions on threads: heald's work ops against uv_queue_work()."""

from .table import Must, Table, pairs, values

NOTE = """\
300,000 functions that do nothing, on four threads, so many of them in flight at a time. The
processor time is that of all threads, for the submission, the call and the callback. Not
pinned."""

WINDOWS = (1, 64, 1024)


def run(programs, options):
    table = Table("Work", NOTE)
    for backend in ("epoll", "uring"):
        for window in WINDOWS:
            ours, theirs = pairs(
                options.pairs,
                lambda: programs.run("work/heald_work", window, cpu=None, backend=backend),
                lambda: programs.run("work/peer_uv", window, cpu=None))
            case = f"{backend} against libuv, {window} in flight"
            table.add(f"{case}: processor time", values(ours, "cpu"), values(theirs, "cpu"), "ns",
                      Must(">=", 1 / 0.7), faster=True)
            table.add(f"{case}: rate", values(ours, "rate"), values(theirs, "rate"), "/s")
    table.print()
