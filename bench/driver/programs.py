"""Running the programs of a benchmark: where they are, on which processors, what they print."""

import contextlib
import os
import signal
import subprocess
import time

SKIP = 77  # a program's exit status: this machine cannot run it
LIMIT_S = 300

_cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Failed(Exception):
    """A program failed; the message says which and how."""


def pinned(which):
    """The arguments of Popen that keep a process on one processor: 0 for the one under test, 1 for
    its load. Without a second processor, or with which None, it stays free."""
    if which is None or len(_cpus) < 2:
        return {}
    return {"preexec_fn": lambda: os.sched_setaffinity(0, {_cpus[which]})}


def environment(backend, waiter=None):
    named = {"HEALD_BACKEND": backend, "HEALD_AWAIT": waiter}
    return dict(os.environ, **{name: value for name, value in named.items() if value})


def figures(line):
    """'rate 12 p50 3' as a dict of numbers."""
    words = line.split()
    return {key: float(value) for key, value in zip(words[::2], words[1::2])}


class Programs:
    def __init__(self, build):
        self.directory = os.path.join(build, "bench")

    def path(self, name):
        """The path of a program, or None where it was not built."""
        path = os.path.join(self.directory, name)
        return path if os.access(path, os.X_OK) else None

    def run(self, name, *args, cpu=0, backend=None, waiter=None, wrapper=()):
        """The figures that a program prints; None where it is absent or skips. wrapper: a command
        to run it under."""
        path = self.path(name)
        if not path:
            return None
        done = subprocess.run([*wrapper, path, *map(str, args)], stdout=subprocess.PIPE, text=True,
                              timeout=LIMIT_S, env=environment(backend, waiter), **pinned(cpu))
        if done.returncode == SKIP:
            return None
        if done.returncode != 0:
            raise Failed(f"{name} ended with status {done.returncode}")
        return figures(done.stdout)

    @contextlib.contextmanager
    def server(self, name, backend=None, wrapper=(), cpu=0):
        """A running echo server, or None; it has .pid and .port, and is gone after the block."""
        path = self.path(name)
        if not path:
            yield None
            return
        process = subprocess.Popen([*wrapper, path, "0"], stdout=subprocess.PIPE, text=True,
                                   env=environment(backend), **pinned(cpu))
        try:
            words = process.stdout.readline().split()
            if len(words) == 2 and words[0] == "port":
                process.port = int(words[1])
                yield process
            elif process.wait(LIMIT_S) == SKIP:
                yield None
            else:
                raise Failed(f"{name} did not print its port")
        finally:
            _end(process, name)

    def load(self, server, conns, seconds, count=None, size=64):
        args = ["-n", count] if count else []
        return self.run("echo/load", *args, server.port, conns, seconds, size, cpu=1)


def _end(process, name):
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failed(f"{name} did not end on SIGTERM") from None
    finally:
        process.stdout.close()
    if status not in (0, SKIP):
        raise Failed(f"{name} ended with status {status}")


def cpu_ns(pid):
    """Time on a processor of all threads of a process; None where the kernel does not say."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
    except OSError:
        return None
    return total


def resident(pid):
    """Anonymous memory of a process that is resident, in bytes; None where /proc does not say."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def wait_for_file(path, seconds=30):
    """The text of a file that another process is about to write."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(path) and os.path.getsize(path) > 0:
            time.sleep(0.1)
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read()
        time.sleep(0.05)
    raise Failed("a tool did not write its report")
