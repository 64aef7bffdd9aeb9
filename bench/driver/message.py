"""Messages between two processes: heald's queues, topics and channels, and what else there is."""

import os
import statistics

from .counts import instructions_in
from .picture import log_chart
from .table import Must, Table, values

NOTE = """\
Two processes, each on a processor of its own; the sender writes the whole message and the receiver
reads all of it. All sides ran by turns in each of {rounds} rounds. *Queue*: any number of senders
and receivers; *lane*: the form for one of each; *topic*: the message is written and read in place,
as with iceoryx; *channel*: between processes that do not trust each other. *Round trip*: one
message there and one back, blocking; *busy*: without sleeping, *a cache line* that goes back and
forth without a message. *Rate*: one way, up to 64 messages ahead, of 1 MiB up to 4 (POSIX message
queues: 10, the limit of the system; nng and ZeroMQ: as they are by default); *2 to 2*: from two
senders to two receivers, the senders on one processor, the receivers on the other; nng and ZeroMQ
by push and pull sockets, each to each. *Copies alone*: a process writes the message, copies it to
where a queue of that length would have it, copies it from there and reads it. *Untouched*: nobody
writes or reads what is in the message; the peer is the same side with 64 bytes. *Pair*: a thread
sends a message to itself and receives it; the peer is the bound."""

FORMS = {"queue": ("heald_message", {}), "lane": ("heald_message", {"HEALD_FORM": "lane"}),
         "topic": ("heald_topic", {}), "channel": ("heald_channel", {})}
PEERS = {"two raw futexes": ("peer_futex", {}), "iceoryx": ("peer_iceoryx", {}),
         "nng": ("peer_nng", {}), "ZeroMQ": ("peer_zmq", {}), "Boost": ("peer_boost", {}),
         "POSIX message queues": ("peer_mq", {}), "pipes": ("peer_pipe", {}),
         "Unix sockets": ("peer_unix", {})}
BARE = {"a cache line": ("peer_line", {}), "copies alone": ("peer_memcpy", {})}
SIDES = {**FORMS, **PEERS, **BARE}

# What a form is compared with beyond what it must be: all, but for these.
AGAINST = {"topic": ("two raw futexes", "iceoryx"),
           "channel": ("two raw futexes", "pipes", "Unix sockets")}

SIZES = (16, 128, 1 << 10, 1 << 13, 1 << 16, 1 << 20)
PICTURE = "message-latency.svg"
PAIR_NS = {"lane": 6, "queue": 18}
PAIRS, COUNTED = 2000000, 10000


def once(programs, side, *args, env=None):
    name, own = SIDES[side]
    words = [f"{key}={value}" for key, value in {**own, **(env or {})}.items()]
    wrapper = ("env", *words) if words else ()
    return programs.run(f"message/{name}", *args, cpu=None, wrapper=wrapper)


def rounds(count, sides):
    """Measures each of {name: function} in each round, every other round backwards: their results,
    none of a side that is absent."""
    results = {name: [] for name in sides}
    for i in range(count):
        for name in list(sides)[::1 if i % 2 == 0 else -1]:
            result = sides[name]()
            if result is not None:
                results[name].append(result)
    return results


def measure(programs, options, names, *args):
    return rounds(options.pairs,
                  {name: lambda name=name: once(programs, name, *args) for name in names})


def compare(table, results, case, what, unit, must):
    """A row for each form and each peer that are there. must is {(form, peer): Must}."""
    for form in (name for name in results if name in FORMS):
        for peer in (name for name in results if name not in FORMS):
            is_of_interest = (form, peer) in must or peer in AGAINST.get(form, results)
            if results[form] and results[peer] and is_of_interest:
                table.add(f"{case}: {form} against {peer}", values(results[form], what),
                          values(results[peer], what), unit, must.get((form, peer)),
                          faster=unit == "ns")


def round_trips(table, programs, options):
    names = [*FORMS, *PEERS]
    must = {(form, peer): Must(">=", 1 / 1.2 if peer == "two raw futexes" else 1)
            for form in ("queue", "lane", "topic") for peer in PEERS}
    compare(table, measure(programs, options, names, "rtt", 64, 5000),
            "64 B round trip, p50", "p50", "ns", must)


def busy(table, programs, options):
    names = [*FORMS, "a cache line", "two raw futexes", "iceoryx", "nng", "ZeroMQ", "Boost"]
    must = {(form, peer): Must(">=", least) for form in ("queue", "lane", "topic")
            for peer, least in (("a cache line", 0.5), ("iceoryx", 1))}
    compare(table, measure(programs, options, names, "busy", 64, 20000),
            "64 B round trip, busy, p50", "p50", "ns", must)


def pair(table, programs, options):
    results = rounds(options.pairs,
                     {form: lambda form=form: programs.run("message/heald_pair", form, 64, PAIRS)
                      for form in PAIR_NS})
    for form, bound in PAIR_NS.items():
        ours = values(results[form], "pair_ns")
        table.add(f"64 B, pair: {form} (bound: {bound})", ours, [bound] * len(ours), "ns",
                  Must("<=", 1))
    for form in PAIR_NS:
        result = instructions_in(programs, "send_and_receive", "message/heald_pair", form, 64,
                                 COUNTED)
        if result and result["instructions"]:
            pairs_made = COUNTED + COUNTED // 10 + 1  # with those before the measurement
            table.add(f"64 B, pair: {form}: user instructions",
                      [result["instructions"] / pairs_made], [])


def rates(table, programs, options):
    names = [*FORMS, *PEERS]
    must = {("lane", "iceoryx"): Must(">=", 2)}
    must.update({(form, peer): Must(">=", 10) for form in ("queue", "lane")
                 for peer in ("nng", "ZeroMQ")})
    compare(table, measure(programs, options, names, "rate", 64, 200000), "64 B, rate", "rate",
            "/s", must)
    names = ["queue", "nng", "ZeroMQ", "Boost", "POSIX message queues", "pipes", "Unix sockets"]
    must = {("queue", peer): Must(">=", 10) for peer in ("nng", "ZeroMQ")}
    compare(table, measure(programs, options, names, "many", 64, 200000), "64 B, 2 to 2, rate",
            "rate", "/s", must)


def long_ones(table, programs, options):
    args = (1 << 20, 500)
    sides = {name: lambda name=name: once(programs, name, "rate", *args)
             for name in (*FORMS, *PEERS)}
    sides["copies alone"] = lambda: once(programs, "copies alone", "alone", *args)
    compare(table, rounds(options.pairs, sides), "1 MiB, rate", "rate", "/s",
            {("queue", "copies alone"): Must(">=", 0.8)})
    for name in ("topic", "iceoryx"):
        few, many = (lambda size=size, name=name: once(programs, name, "rtt-untouched", size, 5000)
                     for size in (64, 1 << 20))
        results = rounds(options.pairs, {"long": many, "short": few})
        table.add(f"1 MiB round trip, untouched, p50: {name} against itself with 64 B",
                  values(results["long"], "p50"), values(results["short"], "p50"), "ns",
                  Must(">=", 1 / 1.2) if name == "topic" else None, faster=True)


def awaited(table, programs, options):
    for label, few, many, limit in (("in a loop against blocking", "0", "1", 1.3),
                                    ("in a loop, 1,000 queues against 1", "1", "1000", 1.5)):
        sides = {count: lambda count=count: once(programs, "queue", "rtt", 64, 5000,
                                                 env={"HEALD_AWAITED": count})
                 for count in (many, few)}
        results = rounds(options.pairs, sides)
        table.add(f"64 B round trip {label}", values(results[many], "p50"),
                  values(results[few], "p50"), "ns", Must(">=", 1 / limit), faster=True)


def size_name(size):
    return f"{size} B" if size < 1024 else f"{size >> 10} KiB" if size < 1 << 20 else "1 MiB"


def time_name(ns):
    return f"{ns} ns" if ns < 1000 else f"{ns // 1000} us" if ns < 10**6 else f"{ns // 10**6} ms"


def series(programs, options):
    """{side: {size: ns}}: the medians of the p50 of blocking round trips."""
    found = {name: {} for name in (*FORMS, *PEERS)}
    for size in SIZES:
        count = 2000 if size <= 1 << 13 else 300
        for name, results in measure(programs, options, found, "rtt", size, count).items():
            if results:
                found[name][size] = statistics.median(values(results, "p50"))
    return {name: points for name, points in found.items() if points}


def print_series(programs, options):
    found = series(programs, options)
    print("### Round trips of all sizes\n\nBlocking, p50, in microseconds.\n")
    print("| | " + " | ".join(map(size_name, SIZES)) + " |")
    print("|---|" + "---:|" * len(SIZES))
    for name, points in found.items():
        cells = [f"{points[size] / 1000:.1f}" if size in points else "absent" for size in SIZES]
        print(f"| {name} | " + " | ".join(cells) + " |")
    with open(os.path.join(options.build, PICTURE), "w", encoding="ascii") as f:
        f.write(log_chart("Round trip of a message over its size, blocking, p50",
                          [(size, size_name(size)) for size in SIZES],
                          time_name, found, set(FORMS)))
    print(f"\n![Latency over size]({PICTURE})\n", flush=True)


def run(programs, options):
    table = Table("Messages", NOTE.format(rounds=options.pairs))
    for part in (round_trips, busy, pair, rates, long_ones, awaited):
        part(table, programs, options)
    table.print()
    print_series(programs, options)
