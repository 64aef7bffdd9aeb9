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

Earlier runs had 0.83 and 0.92 of fio's io_uring at direct reads and writes, and 1.64 of the C
library at cached ones: how the disk tells of ends, and how fast the machine copies, changed
between. What was found then: with 32 in flight the disk does all of them and then tells of all at
once. Then it stands still until the first of the next comes: with io_uring, whose program submits
itself, as long as fio takes for one; here until the I/O thread was woken, has told fio, fio has
handed over sixteen, and the I/O thread has its turn again, on the same processor (perf's timeline
shows 40 to 60 us of 430). Spinning in place of sleeping did not help, and costs the processor that
the other needs."""

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

    def __init__(self, heald, folder, size, seconds):
        self.heald, self.folder, self.size, self.seconds = heald, folder, size, seconds
        self.path = os.path.join(folder, "data")
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
        with tempfile.NamedTemporaryFile(dir=self.folder) as report:
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
    """Measures and prints. place: a folder on the file system that is to be measured."""
    table = Table("POSIX AIO", NOTE.format(size=size_of(size), seconds=seconds, rounds=rounds))
    if not shutil.which("fio"):
        print(f"## {table.title}\n\nabsent: there is no fio here.\n", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="bench-aio-", dir=place) as folder:
        fio = Fio(heald, folder, size, seconds)
        fio.prepare()
        results = measure_all(fio, workloads, engines, rounds)
    add_verdicts(table, results)
    if table.rows:
        table.print()
    print_engines(results)


def run(_, options):
    compare(heald_of(options.build), options.build, 1 << 30, 4 * options.seconds,
            min(options.pairs, 3), list(WORKLOADS), list(ENGINES))
