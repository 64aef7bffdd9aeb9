"""Messages between two processes: heald's queues and what else there is."""

from .table import Must, Table, pairs, values

NOTE = """\
Two processes, each on a processor of its own; the sender writes the whole message and the receiver
reads all of it. *Round trip*: one message there and one back, blocking; *busy*: without sleeping.
*Rate*: one way, 64 slots (POSIX message queues: 10, the limit of the system). *Lane*: the form for
one sender and one receiver."""

PEERS = (("futex", "two raw futexes"), ("pipe", "pipes"), ("unix", "Unix sockets"),
         ("mq", "POSIX message queues"), ("nng", "nng"), ("zmq", "ZeroMQ"), ("boost", "Boost"))
FORMS = (("queue", {}), ("lane", {"HEALD_FORM": "lane"}))


def once(programs, name, env, *args):
    wrapper = ("env", *(f"{key}={value}" for key, value in env.items())) if env else ()
    return lambda: programs.run(name, *args, cpu=None, wrapper=wrapper)


def compare(table, programs, options, case, what, unit, args, faster):
    """Each form against each peer. What must be is said of the round trip and the rate."""
    must = {("p50", "two raw futexes"): Must(">=", 1 / 1.2),
            ("rate", "nng"): Must(">=", 10), ("rate", "ZeroMQ"): Must(">=", 10)}
    for form, env in FORMS:
        for peer, text in PEERS:
            ours, theirs = pairs(options.pairs,
                                 once(programs, "message/heald_message", env, *args),
                                 once(programs, f"message/peer_{peer}", {}, *args))
            if ours and theirs:
                table.add(f"{case}: {form} against {text}", values(ours, what),
                          values(theirs, what), unit,
                          must.get((what, text)) if args[0] != "busy" else None, faster=faster)


def awaited(table, programs, options):
    args = ("rtt", 64, 5000)
    for label, few, many, limit in (("in a loop against blocking", None, "1", 1.3),
                                    ("in a loop, 1,000 queues against 1", "1", "1000", 1.5)):
        ours, theirs = pairs(
            options.pairs,
            once(programs, "message/heald_message", {"HEALD_AWAITED": many}, *args),
            once(programs, "message/heald_message", {"HEALD_AWAITED": few} if few else {}, *args))
        table.add(f"64 B round trip {label}", values(ours, "p50"), values(theirs, "p50"), "ns",
                  Must(">=", 1 / limit), faster=True)


def run(programs, options):
    table = Table("Messages", NOTE)
    compare(table, programs, options, "64 B round trip, p50", "p50", "ns", ("rtt", 64, 5000), True)
    compare(table, programs, options, "64 B round trip, busy, p50", "p50", "ns",
            ("busy", 64, 50000), True)
    compare(table, programs, options, "64 B, rate", "rate", "/s", ("rate", 64, 300000), False)
    compare(table, programs, options, "1 MiB, rate", "rate", "/s", ("rate", 1 << 20, 500), False)
    awaited(table, programs, options)
    table.print()
