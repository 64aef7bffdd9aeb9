"""POSIX AIO: an unmodified stress-ng on the C library's, and on heald's both ways."""

import shutil
import subprocess
import tempfile

from .aio import heald_of
from .programs import Failed
from .table import Must, Table, pairs

NOTE = """\
stress-ng --aio: in each process 16 requests of 16 bytes to one file, reads, writes and now and
then a sync, each notified by a signal; {seconds} s a run. Rates are signals a second of all
processes. Not pinned."""

WAYS = {"heald": (), "heald by threads": ("--threads",)}
MUSTS = {"heald by threads": Must(">=", 1)}
PROCESSES = (1, 2)
THREADS = """\
One process has three threads that want a processor: its own, the library's I/O thread and one
  that writes. The C library has two, which two processors hold."""


def _rate(wrapper, directory, processes, seconds):
    """Of the line of metrics that has stress-ng's own count and time."""
    command = [*wrapper, "stress-ng", "--aio", str(processes), "--timeout", str(seconds),
               "--temp-path", directory, "--metrics-brief"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    for line in done.stdout.splitlines():
        words = line.split()
        if "aio" in words[:-2]:
            at = words.index("aio")
            try:
                return float(words[at + 1]) / float(words[at + 2])
            except (ValueError, ZeroDivisionError):
                continue
    raise Failed(f"stress-ng: status {done.returncode}\n{done.stdout}")


def run(_, options):
    heald, seconds = heald_of(options.build), 2 * options.seconds
    table = Table("POSIX AIO, stress-ng", NOTE.format(seconds=seconds))
    if not heald or not shutil.which("stress-ng"):
        print(f"## {table.title}\n\nabsent: there is no stress-ng here, or no library.\n",
              flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="bench-aio-", dir=options.build) as directory:
        for name, way in WAYS.items():
            wrapper = (heald, "aio", *way, "--")
            for processes in PROCESSES:
                ours, theirs = pairs(options.pairs,
                                     lambda w=wrapper, n=processes: _rate(w, directory, n, seconds),
                                     lambda n=processes: _rate((), directory, n, seconds))
                table.add(f"{name} against the C library, {processes} processes", ours, theirs,
                          "/s", MUSTS.get(name))
    table.explain("by threads", THREADS)
    table.print()
