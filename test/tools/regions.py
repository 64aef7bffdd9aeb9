"""What the tests of the tools for shared memory share: commands as children, and processes with a
region of their own."""

import json
import os
import signal
import subprocess
import threading
import time

from serving import BUILD, HEALD, LIMIT, heald

HANG = os.path.join(BUILD, 'test', 'hang')
PREFIX = f'/heald-tools-{os.getpid()}'


class Helper:
    """Processes with a region of their own, until this is left."""

    def __init__(self, program, *args):
        self.name = f'{PREFIX}-{program}'
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([os.path.join(BUILD, 'test', program), self.name, *args],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)
        timer = threading.Timer(LIMIT, os.killpg, (self.process.pid, signal.SIGKILL))
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        assert line == 'ready\n', f'{program} {args} is not ready'

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        assert self.process.wait(LIMIT) == 0
        self.process.stdout.close()
        remove(self.name)


def path_of(name):
    path = '/dev/shm' + name
    return path if os.path.isdir('/dev/shm') and os.path.exists(path) else '/tmp' + name


def remove(name):
    path = path_of(name)
    if os.path.exists(path):
        os.unlink(path)


class Hang(Helper):
    """They hold and wait for locks."""

    def __init__(self, *plans):
        super().__init__('hang', *plans)


def start(*args, ignored=None):
    # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
    def with_signals():
        # A shell has what it starts in the background ignore them.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if ignored:
            signal.signal(ignored, signal.SIG_IGN)

    return subprocess.Popen([HEALD, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, preexec_fn=with_signals)


def end(process):
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


def until(what):
    limit = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.02)


def locks(*args):
    result = heald('locks', '--json', *args)
    assert result.returncode in (0, 1), result
    return json.loads(result.stdout), result.returncode


def removing(name):
    """Decorates a case that may leave a region of that name."""
    def decorate(function):
        def run():
            try:
                function()
            finally:
                remove(name)
        run.__name__ = function.__name__
        return run
    return decorate
