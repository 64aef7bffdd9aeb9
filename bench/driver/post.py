"""Calls from one thread into the loop of another."""

from .table import Must, Table, pairs, values

NOTE = """\
A million messages from one thread to a loop in another. libuv's call coalesces, so its messages
go through a list under a mutex: with a `uv_async_send` for each, or only when the list was
empty. *Raw* is the call alone: heald's carries a message, libuv's only wakes. *Round trips*:
two loops wake each other. Not pinned."""

CASES = (
    ("messages, uv_async_send each", "queue", Must(">=", 2)),
    ("messages, uv_async_send when empty", "queue_once", None),
    ("raw calls", "raw", None),
    ("round trips", "pingpong", None),
)


MESSAGES = """\
Messages: an op is two cache lines that both threads touch; the message of libuv's side is eight
bytes, of which a line holds eight, and has no callback of its own."""


def run(programs, options):
    table = Table("Cross-thread post", NOTE)
    table.explain("messages", MESSAGES)
    ours, theirs = pairs(
        options.pairs,
        lambda: programs.run("post/heald_post", cpu=None),
        lambda: programs.run("post/peer_uv", cpu=None))
    for case, key, must in CASES:
        table.add(f"against libuv: {case}", values(ours, key), values(theirs, key), "/s", must)
    table.print()
