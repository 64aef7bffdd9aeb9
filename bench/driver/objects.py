"""Participants, read-write locks, conditions and the fair mutex, in shared memory."""

from .table import Must, Table, pairs, values

NOTE = """\
All are process-shared. The ratio is heald's time divided by the peer's: less is better. *Attach and
detach*: the peer is the bound. *After a waiting writer was killed*: from the 101st read lock on;
the peer is the same lock before. *Round trip*: two processes take turns, each locks the mutex,
waits with the condition for its turn, gives the turn to the other and signals; the mutex is robust
on both sides. *Eight processes* do nothing but lock and unlock a mutex: the time for each such
section, of all of them together; the C library has no fair mutex. *Token*: eight processes pass one
round, by a futex each, the least that strict order takes. *Spread*: the sections of the process
with the most divided by those of the one with the fewest. *Hand-over*: two ops of one loop take
turns with a fair mutex, without sleeping, in a region with room for so many participants, of whom
so many are attached and idle; *contended*: eight processes, as above; the peer is the same with
room for 64 and 8 attached. Not pinned."""

FAIR = """\
Fair: in strict order the next one nearly always sleeps where there are more processes than
processors, so each section would have a change of processes in it, which is what a pass of the
token takes. So newcomers have it while the next one wakes up, and each 512th unlock hands it
over."""

HELD = """\
Signal, then unlock: as in the C library the waiter may be woken to find the mutex locked, and
sleeps once more. Each sleep of heald's is for two or three words, not one, and before it sleeps for
the mutex it asks the kernel whether the holder lives. heald_cond_signal_unlock() wakes it when the
mutex is free."""

PROGRAM, PEER, ATTACH = "lock/heald_objects", "lock/peer_objects", "lock/heald_attach"
FAIR_PROGRAM = "lock/heald_fair"
# Attached, and room for so many.
FAIR_FEW, FAIR_MANY = (8, 64), ((8, 1024), (8, 4096), (1000, 1024), (4000, 4096))
# Attached, room for so many, and the bound in microseconds.
ATTACHED = ((64, 128, 50.0), (4090, 4096, 100.0))
ROUND_TRIPS = (("signal, then unlock", "held_ns", "held_ns", Must("<=", 1.2)),
               ("unlock, then signal", "after_ns", "after_ns", Must("<=", 1)),
               ("signal and unlock in one call against signal, then unlock", "together_ns",
                "held_ns", None),
               ("signal and unlock in one call against unlock, then signal", "together_ns",
                "after_ns", None))
FAIR_BOUND_NS = 1000.0


def _attach(table, programs, options):
    for attached, room, bound in ATTACHED:
        ours, _ = pairs(options.pairs,
                        lambda: programs.run(ATTACH, attached, room, cpu=None), lambda: None)
        table.add(f"attach and detach, {attached:,} attached (bound: {bound:.0f})",
                  values(ours, "attach_us"), [bound for _ in ours], "us", Must("<=", 1))


def _reads(table, ours):
    for which, key in (("", "read"), (" (writers preferred)", "prefer_read")):
        table.add(f"read lock, unlock, after a waiting writer was killed{which}",
                  values(ours, f"{key}_killed_ns"), values(ours, f"{key}_ns"), "ns",
                  Must("<=", 1.2))


def _contended(table, ours, theirs):
    bound = [FAIR_BOUND_NS for _ in ours]
    table.add(f"fair, eight processes (bound: {FAIR_BOUND_NS:,.0f})",
              values(ours, "fair_sections_ns"), bound, "ns", Must("<=", 1))
    table.add("fair, eight processes, against a pass of a token",
              values(ours, "fair_sections_ns"), values(theirs, "token_ns"), "ns")
    for name, key, unit in (("", "sections_ns", "ns"), (": longest wait", "longest_us", "us"),
                            (": spread", "spread", "")):
        table.add(f"fair against unfair, eight processes{name}", values(ours, "fair_" + key),
                  values(ours, key), unit)
        table.add(f"unfair, eight processes{name}", values(ours, key), values(theirs, key), unit)


def _fair_growth(table, programs, options):
    for many in FAIR_MANY:
        ours, theirs = pairs(options.pairs, lambda: programs.run(FAIR_PROGRAM, *many, cpu=None),
                             lambda: programs.run(FAIR_PROGRAM, *FAIR_FEW, cpu=None))
        case = f"room for {many[1]:,}, {many[0]:,} attached"
        table.add(f"fair hand-over, {case}", values(ours, "handover_ns"),
                  values(theirs, "handover_ns"), "ns", Must("<=", 1.5))
        table.add(f"fair, contended, {case}", values(ours, "sections_ns"),
                  values(theirs, "sections_ns"), "ns")


def run(programs, options):
    table = Table("Participants, conditions and other locks", NOTE)
    table.explain("fair, eight processes (", FAIR)
    table.explain("round trip, signal, then unlock", HELD)
    _attach(table, programs, options)
    ours, theirs = pairs(options.pairs, lambda: programs.run(PROGRAM, cpu=None),
                         lambda: programs.run(PEER, cpu=None))
    table.add("write lock, unlock", values(ours, "write_ns"), values(theirs, "write_ns"), "ns",
              Must("<=", 3))
    _reads(table, ours)
    for name, key, peer_key, must in ROUND_TRIPS:
        table.add(f"round trip, {name}", values(ours, key), values(theirs, peer_key), "ns", must)
    _contended(table, ours, theirs)
    _fair_growth(table, programs, options)
    table.print()
