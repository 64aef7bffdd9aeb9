"""Receives of a fast stream into small buffers: runs of them against one at a time."""

from .table import Must, Table, pairs, values

NOTE = """\
1 GiB of TCP into a group of buffers of 4 KiB; the sender on the other processor. The processor
time is the receiver's, user and kernel. Both sides are heald: with runs of buffers, and with one
buffer a callback. *Stream*: a heald_stream with the group, which reads into runs."""

WRITES = (4096, 65536)


def run(programs, options):
    table = Table("Runs of buffers", NOTE)
    for backend in ("uring", "epoll"):
        for write in WRITES:
            for mode in ("run", "stream"):
                runs, single = pairs(
                    options.pairs,
                    lambda: programs.run("receive/heald_receive", mode, write, backend=backend),
                    lambda: programs.run("receive/heald_receive", "single", write,
                                         backend=backend))
                case = f"{mode}, {backend}, writes of {write // 1024} KiB"
                table.add(f"{case}: processor time a GiB", values(runs, "cpu"),
                          values(single, "cpu"), "ns",
                          Must("<=", 0.55) if backend == "uring" and mode == "run" else None)
                table.add(f"{case}: callbacks", values(runs, "callbacks"),
                          values(single, "callbacks"))
    table.print()
