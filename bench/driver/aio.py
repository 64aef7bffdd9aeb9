"""POSIX AIO: an unmodified fio on glibc's, on heald's, and on the kernel's interfaces directly."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from .programs import Failed
from .table import Must, Table, values

NOTE = """\
fio, one thread, 4 KiB at random places of a file of {size}, 32 requests in flight, {seconds} s a
run. All engines ran by turns in each of {rounds} rounds. Rates are requests a second. Processor
time is that of the whole process for each request, without what fio needs to start; for it and
for p99 less is better, and the ratio is heald's figure divided by the peer's. *By threads* is the
same library without io_uring. Not pinned.

Where direct reads miss 0.95 of fio's io_uring, this is why. With 32 in flight the disk completes
all of them and then reports all at once. Then it is idle until the first of the next arrives. With
io_uring the program submits itself, so the disk waits as long as fio needs for one request. Here
it waits until the I/O thread was woken and has woken fio, fio has submitted sixteen, and the I/O
thread runs again on the same processor (an earlier timeline of perf shows 40 to 60 us of 430). Of
direct writes this is at most a part: those that the caller submitted itself missed as well, see
below, and what the rest is was not found. Against the C library the figure follows how fast the
disk does one request: where fio's io_uring has less than 5 times its rate (4.98 in the run below),
0.9 of that misses 4.5. Runs had 0.83 to 1.62 of fio's io_uring at direct reads and 0.73 to 1.07 at
direct writes, since the way the disk reports completions changed between them, and 1.37 to 1.66 of
the C library at cached reads, since how fast the machine copies did.

Three changes were tried. None is in the library. Unless said otherwise the figures are medians of
the ratios of 7 rounds of 4 s, with the library as it is, the changed ones and fio's io_uring by
turns. The first figure is for direct reads, the second for direct writes. The machine had other
work. The library as it is had 0.90 and 0.87 of fio's io_uring there.

- The caller submits, and a thread only reaps. These were prototypes without cancel, close, sync
  and notifications; what those cost is not in the figures. Through an io_uring of the process the
  rate was 1.08 and 0.89 of the library's (0.95 and 0.84 of fio's io_uring), and processor time
  1.19 and 1.33 of fio's. It is not safe: a request ends with the thread that submitted it, and
  its completion interrupts a system call of that thread. Through io_submit(2), whose requests
  belong to the process, the rate was 1.17 (1.01 to 1.38) and 0.91 (0.76 to 1.09) of the library's
  (0.96 and 0.80 of fio's), and processor time 1.07 and 1.23 of fio's. A run of 15 rounds of 1 s,
  with more other work, had 1.07 and 1.28 of the library's through io_uring, 1.10 and 1.06 through
  io_submit(2). There a caller that reaps as well had 0.99 and 0.78 of fio's. So reads gain, and
  writes gain nothing that can be relied on. It would be one more method, for reads alone.
- Adaptive wake. The I/O thread yields up to four times before it sleeps: 1.00 and 0.91 of the
  library's. The rest was seen in shorter runs of direct reads alone, of 5 rounds of 2 s and 13 of
  1 s, where two equal libraries differed by up to 19 % in a round. Four yields: 1.11, then 0.98.
  The I/O thread polls and yields for 50 us: 1.06, then 0.91. It waits with a time-out of 50 us,
  and is not woken: 1.00. It is woken after sixteen requests: 0.95. The caller yields before it
  sleeps: 0.96.
- Two batches in flight. Waiters are woken after each eight completions: 1.01 and 0.83 of the
  library's, with 1.5 and 1.4 times the context switches. In the shorter runs of direct reads:
  eight completions 0.98 twice, sixteen 0.98. Requests are submitted to the kernel one at a time:
  0.97, then 1.04; eight at a time: 0.98, then 0.93. The I/O thread gets the processor after four
  requests in place of sixteen: 0.95; after eight: 1.00."""

# The name of a row, what fio is told, and which way it goes.
WORKLOADS = {
    "direct-reads": ("direct reads", ("--rw=randread", "--direct=1"), "read"),
    "direct-writes": ("direct writes", ("--rw=randwrite", "--direct=1"), "write"),
    "cached-reads": ("cached reads", ("--rw=randread", "--direct=0", "--invalidate=0"), "read"),
}

# The name of a row, fio's engine, and the options of `heald aio`, where it runs under it.
ENGINES = {
    "glibc": ("posixaio, glibc", "posixaio", None),
    "heald": ("posixaio, heald", "posixaio", ()),
    "threads": ("posixaio, heald by threads", "posixaio", ("--threads",)),
    "io_uring": ("io_uring", "io_uring", None),
    "libaio": ("libaio", "libaio", None),
}

# workload: (against, figure, what it must be).
MUSTS = {
    ("direct-reads", "glibc", "iops"): Must(">=", 4.5),
    ("direct-reads", "io_uring", "iops"): Must(">=", 0.95),
    ("direct-reads", "io_uring", "cpu_ns"): Must("<=", 1.2),
    ("direct-writes", "glibc", "iops"): Must(">=", 3),
    ("direct-writes", "io_uring", "iops"): Must(">=", 0.95),
    ("direct-writes", "io_uring", "cpu_ns"): Must("<=", 1.2),
    ("cached-reads", "glibc", "iops"): Must(">=", 1.4),
}
FIGURES = {"iops": ("rate", "/s"), "p99_ns": ("p99", "ns"), "cpu_ns": ("processor time", "ns")}
CHUNK = 1 << 20


def heald_of(build):
    """The command of a build that has the library, or None."""
    path = os.path.abspath(os.path.join(build, "cmd", "heald", "heald"))
    if not os.access(path, os.X_OK):
        return None
    asked = subprocess.run([path, "aio", "--print"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
    return path if asked.returncode == 0 else None


class Fio:
    """Runs of fio on one file."""

    def __init__(self, heald, directory, size, seconds):
        self.heald, self.directory, self.size, self.seconds = heald, directory, size, seconds
        self.path = os.path.join(directory, "data")
        self.start_s = 0.0

    def prepare(self):
        """The file, written, so that no run has to allocate; and what a start costs."""
        with open(self.path, "wb") as file:
            block = os.urandom(CHUNK)
            for _ in range(self.size // CHUNK):
                file.write(block)
            os.fsync(file.fileno())
        idle = ("--rw=read", "--size=4k", "--filename=" + self.path)
        self.start_s = statistics.median(self._run("sync", (), idle)[1] for _ in range(3))

    def warm(self):
        with open(self.path, "rb") as file:
            while file.read(CHUNK):
                pass

    def _run(self, engine, wrapper, options):
        """fio's report, and the seconds of processor time of the process."""
        with tempfile.NamedTemporaryFile(dir=self.directory) as report:
            command = [*wrapper, "fio", "--name=job", "--thread", "--ioengine=" + engine,
                       "--output-format=json", "--output=" + report.name, *options]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE) as process:
                said = process.stderr.read().decode(errors="replace")
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise Failed(f"fio, {engine}: status {process.returncode}\n{said}")
            job = json.load(report)["jobs"][0]
        if job["error"]:
            raise Failed(f"fio, {engine}: {os.strerror(job['error'])}\n{said}")
        return job, usage.ru_utime + usage.ru_stime

    def measure(self, workload, name):
        """The figures of one run; None where there is no heald."""
        _, options, way = WORKLOADS[workload]
        _, engine, heald = ENGINES[name]
        if heald is not None and not self.heald:
            return None
        wrapper = () if heald is None else (self.heald, "aio", *heald, "--")
        if workload == "cached-reads":
            self.warm()
        job, cpu_s = self._run(engine, wrapper, (
            *options, "--filename=" + self.path, f"--size={self.size}", "--bs=4k", "--iodepth=32",
            "--time_based", f"--runtime={self.seconds}", "--lat_percentiles=1",
            "--clat_percentiles=0"))
        way = job[way]
        return {"iops": way["iops"], "p99_ns": way["lat_ns"]["percentile"]["99.000000"],
                "cpu_ns": max(0, cpu_s - self.start_s) * 1e9 / max(1, way["total_ios"])}


def measure_all(fio, workloads, engines, rounds):
    """{workload: {engine: its figures, a round each}}; every second round the other way round."""
    results = {w: {e: [] for e in engines} for w in workloads}
    for workload in workloads:
        for i in range(rounds):
            for engine in engines if i % 2 == 0 else engines[::-1]:
                figures = fio.measure(workload, engine)
                if figures:
                    results[workload][engine].append(figures)
                    print(f"{workload}, round {i + 1}, {engine}: {figures['iops']:,.0f} /s, "
                          f"p99 {figures['p99_ns'] / 1000:,.0f} us, "
                          f"{figures['cpu_ns'] / 1000:.1f} us of processor time",
                          file=sys.stderr, flush=True)
    return results


def _ratio(ours, theirs):
    ratios = [a["iops"] / b["iops"] for a, b in zip(ours, theirs) if b["iops"]]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def print_engines(results):
    print("| workload | engine | rate | to glibc | to io_uring | p99 | processor time |\n"
          "|---|---|---:|---:|---:|---:|---:|")
    for workload, engines in results.items():
        for name, runs in engines.items():
            cells = [WORKLOADS[workload][0], ENGINES[name][0]]
            if runs:
                rate, p99, cpu = (statistics.median(values(runs, key)) for key in FIGURES)
                cells += [f"{rate:,.0f} /s", _ratio(runs, engines.get("glibc", [])),
                          _ratio(runs, engines.get("io_uring", [])), f"{p99 / 1000:,.0f} us",
                          f"{cpu / 1000:.2f} us"]
            else:
                cells += ["absent", "", "", "", ""]
            print("| " + " | ".join(cells) + " |")
    print()


def add_verdicts(table, results):
    for workload, engines in results.items():
        for peer in ("glibc", "io_uring"):
            if "heald" not in engines or peer not in engines:
                continue
            for key, (figure, unit) in FIGURES.items():
                table.add(f"{WORKLOADS[workload][0]} against {ENGINES[peer][0]}: {figure}",
                          values(engines["heald"], key), values(engines[peer], key), unit,
                          MUSTS.get((workload, peer, key)))


def size_of(size):
    return f"{size >> 30} GiB" if size % (1 << 30) == 0 else f"{size >> 20} MiB"


def compare(heald, place, size, seconds, rounds, workloads, engines):
    """Measures and prints. place: a directory on the file system that is to be measured."""
    table = Table("POSIX AIO", NOTE.format(size=size_of(size), seconds=seconds, rounds=rounds))
    if not shutil.which("fio"):
        print(f"## {table.title}\n\nabsent: there is no fio here.\n", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="bench-aio-", dir=place) as directory:
        fio = Fio(heald, directory, size, seconds)
        fio.prepare()
        results = measure_all(fio, workloads, engines, rounds)
    add_verdicts(table, results)
    if table.rows:
        table.print()
    print_engines(results)


def run(_, options):
    compare(heald_of(options.build), options.build, 1 << 30, 4 * options.seconds,
            min(options.pairs, 3), list(WORKLOADS), list(ENGINES))
