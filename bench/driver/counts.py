"""System calls and user instructions per echo: counted for N and for 2 N echoes, so that start-up
and end, which are the same in both, cancel out. User instructions of one function of a program."""

import os
import re
import shutil
import tempfile

from .programs import wait_for_file

ECHOES = 10000
LIMIT_S = 120


def _strace(programs, name, backend, conns, count):
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "strace")
        # -D: the server stays our child, strace is its grandchild.
        wrapper = ("strace", "-D", "-c", "-f", "-o", report)
        with programs.server(name, backend, wrapper) as server:
            if server is None:
                return None
            programs.load(server, conns, LIMIT_S, count)
        total = re.search(r"^\s*100\.00.*?(\d+)(?:\s+\d+)?\s+total$", wait_for_file(report), re.M)
    return int(total.group(1)) if total else None


def _callgrind_wrapper(report):
    return ("valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={report}")


def _callgrind_total(report):
    total = re.search(r"^(?:totals|summary): (\d+)", wait_for_file(report), re.M)
    return int(total.group(1)) if total else None


def _callgrind(programs, name, backend, conns, count):
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "callgrind")
        with programs.server(name, backend, _callgrind_wrapper(report)) as server:
            if server is None:
                return None
            programs.load(server, conns, LIMIT_S, count)
        return _callgrind_total(report)


def _costs_of_files(report):
    """{source file: instructions} of callgrind's report of a program with debug information."""
    names, costs, file, called = {}, {}, None, False
    for line in wait_for_file(report).splitlines():
        if match := re.match(r"(c?f[lie])=\((\d+)\)(?: (.*))?", line):
            what, number, name = match.groups()
            if name:
                names[number] = os.path.normpath(name)
            if what[0] == "f":
                file = names.get(number)
        elif line.startswith("calls="):
            called = True  # the next line is the cost of what is called, which has its own
        elif match := re.match(r"[+\-*\d]\S* (\d+)$", line):
            costs[file] = costs.get(file, 0) + (0 if called else int(match.group(1)))
            called = False
    return costs


def files_of_echo(programs, name, backend):
    """The source files that each echo on one connection passes; None where it cannot be counted."""
    if not shutil.which("valgrind"):
        return None
    runs = []
    for count in (ECHOES, 2 * ECHOES):
        with tempfile.TemporaryDirectory() as directory:
            report = os.path.join(directory, "callgrind")
            with programs.server(name, backend, _callgrind_wrapper(report)) as server:
                if server is None:
                    return None
                programs.load(server, 1, LIMIT_S, count)
            runs.append(_costs_of_files(report))
    once, twice = runs
    return {file for file, cost in twice.items() if cost - once.get(file, 0) >= ECHOES // 2}


def _per_echo(count, tool, programs, name, backend, conns):
    if not shutil.which(tool):
        return None
    once = count(programs, name, backend, conns, ECHOES)
    twice = count(programs, name, backend, conns, 2 * ECHOES)
    return (twice - once) / ECHOES if once and twice else None


def instructions_in(programs, function, name, *args, backend=None):
    """What a program prints, and as "instructions" how many it makes in a function and what that
    calls; None where it cannot be counted. Clones that the compiler makes of it count as well."""
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "callgrind")
        wrapper = (*_callgrind_wrapper(report), "--collect-atstart=no",
                   f"--toggle-collect={function}*")
        result = programs.run(name, *args, backend=backend, wrapper=wrapper)
        if result:
            result["instructions"] = _callgrind_total(report)
    return result


def syscalls_per_echo(programs, name, backend, conns):
    return _per_echo(_strace, "strace", programs, name, backend, conns)


def instructions_per_echo(programs, name, backend, conns):
    return _per_echo(_callgrind, "valgrind", programs, name, backend, conns)
