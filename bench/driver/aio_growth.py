"""POSIX AIO by the number of pending requests: on the C library, and on heald both ways."""

import statistics
import subprocess

from .aio import heald_of
from .programs import Failed, SKIP, figures
from .table import Must, Table, values

NOTE = """\
One program on <aio.h>, on the C library and under `heald aio`; all combinations ran by turns in
each of {rounds} rounds, and the figures are medians. *eventfd*, *socket*: so many descriptors, each
with one read that waits: the time of a submit; of a completion when all become ready; of an
aio_cancel() of one request, and of a close() of a descriptor whose request waits, each in a
shuffled order. Where the limit of descriptors does not allow so many there are as many as it
allows, the table below says how many. (All eventfds are one inode of the kernel's.) *file*: so many
reads of 4 KiB, cached, of one file: the time of a submit, of submit and completion together, and of
a cancel of one that was just submitted. The C library cancels only what no thread has begun, and
its close() leaves requests alone. The rows compare heald with itself at {few} requests. Not
pinned.{slow}"""
SLOW = "\n`absent`: that combination did not end within {seconds} s."

PROGRAM, LIMIT_S = "aio/aio_growth", 60
KINDS = {"eventfd": ("submit", "complete", "cancel", "close"),
         "socket": ("submit", "complete", "cancel", "close"),
         "file": ("submit", "complete", "cancel")}
FEW, MANY = 10, (1000, 30000)
LIBRARIES = {"C library": None, "heald": (), "heald by threads": ("--threads",)}
FLAT = Must("<=", 1.5)
EVENTFD = """\
Of eventfds ten requests have ten threads, a thousand and more have 512: a completion or a cancel
  wakes one whose stack and state are in no cache. Beyond that it does not grow."""
SOCKET = """\
A cancel is two switches between threads, which are what it costs with ten; of a socket among
  many, in a shuffled order, what the kernel and the library know of it is in no cache either."""


def _measure(programs, heald, library, kind, count):
    """The figures of one run; None: it is absent, or takes too long."""
    options = LIBRARIES[library]
    path = programs.path(PROGRAM)
    if not path or (options is not None and not heald):
        return None
    wrapper = () if options is None else (heald, "aio", *options, "--")
    try:
        done = subprocess.run([*wrapper, path, kind, str(count)], stdout=subprocess.PIPE, text=True,
                              timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (0, SKIP):
        raise Failed(f"{PROGRAM} on {library} ended with status {done.returncode}")
    return figures(done.stdout) if done.returncode == 0 else None


def _measure_all(programs, heald, rounds):
    """{(kind, count, library): figures, a round each}; what takes too long is not tried again."""
    cases = [(kind, count, library) for kind in KINDS for count in (FEW, *MANY)
             for library in LIBRARIES]
    results, slow = {case: [] for case in cases}, set()
    for i in range(rounds):
        for case in cases if i % 2 == 0 else cases[::-1]:
            kind, count, library = case
            result = None if case in slow else _measure(programs, heald, library, kind, count)
            if result:
                results[case].append(result)
            else:
                slow.add(case)
    return results


def _add_rows(table, results):
    for kind, phases in KINDS.items():
        for library in ("heald", "heald by threads"):
            for phase in phases:
                for count in MANY:
                    table.add(f"{library}, {kind}: {phase}, {count:,} against {FEW}",
                              values(results[kind, count, library], phase + "_ns"),
                              values(results[kind, FEW, library], phase + "_ns"), "ns",
                              FLAT if count == MANY[-1] else None)


def _cell(runs, phase):
    return f"{statistics.median(values(runs, phase + '_ns')):,.0f}" if runs else "absent"


def _print_libraries(results):
    print("Nanoseconds:\n\n| what | library | requests | submit | complete | cancel | close |"
          "\n|---|---|---:|---:|---:|---:|---:|")
    for (kind, count, library), runs in results.items():
        found = min(values(runs, "count"), default=count)
        cells = [kind, library, f"{found:,.0f}"]
        cells += [_cell(runs, phase) if phase in KINDS[kind] else ""
                  for phase in ("submit", "complete", "cancel", "close")]
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def run(programs, options):
    rounds = min(options.pairs, 3)
    results = _measure_all(programs, heald_of(options.build), rounds)
    slow = SLOW.format(seconds=LIMIT_S) if not all(results.values()) else ""
    table = Table("POSIX AIO, growth", NOTE.format(rounds=rounds, few=FEW, slow=slow))
    _add_rows(table, results)
    table.explain("eventfd", EVENTFD)
    table.explain("socket: cancel", SOCKET)
    table.print()
    _print_libraries(results)
