"""What the checks of hosted libraries share: examples that are started, and what they must do."""

import os
import select
import shutil
import subprocess
import time

BUILD = os.environ.get('HEALD_BUILD_DIR', 'build')
SLOW = max(1, int(os.environ.get('HEALD_TEST_SLOW') or '1'))
LIMIT = 10 * SLOW  # seconds, for anything that is awaited here


class Failure(Exception):
    """What a program did otherwise than it should."""


class Missing(Exception):
    """What the system lacks."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def tool(name, *directories):
    """The path of a program, or the case is skipped."""
    path = shutil.which(name, path=os.pathsep.join([os.environ['PATH'], *directories]))
    if not path:
        raise Missing(f'there is no {name} here')
    return path


def built(name):
    """The path of an example, or the case is skipped."""
    path = os.path.join(BUILD, 'examples', name)
    if not os.path.exists(path):
        raise Missing(f'{name} is not built: its library is not installed')
    return path


def until(condition, text):
    """Waits until a condition holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        expect(time.monotonic() < deadline, text)
        time.sleep(0.01)


class Example:
    """An example that runs; killed at the end of its `with`, unless it has ended before."""

    def __init__(self, name, env, *arguments):
        # Without a buffer: select() sees what is there.
        self.process = subprocess.Popen([built(name), *arguments], env=env, bufsize=0,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def line(self):
        """Its next line. Each ends with a flush, so none is cut."""
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT)
        expect(ready, 'prints nothing')
        return self.process.stdout.readline().decode()

    def says(self, line):
        got = self.line()
        expect(got == line + '\n', f'said {got!r}, not {line!r}')

    def end(self):
        """(standard output, standard error, status) at its end."""
        try:
            out, err = self.process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            out, err = self.process.communicate()
            raise Failure(f'did not end; it printed {out!r} {err!r}') from late
        return out.decode(), err.decode(), self.process.returncode

    def ends_well(self):
        """What it prints until then."""
        out, err, status = self.end()
        expect(status == 0 and not err, f'status {status}, {out!r}, {err!r}')
        return out


def run(name, env, *arguments):
    return Example(name, env, *arguments).end()


def run_well(name, env, *arguments):
    return Example(name, env, *arguments).ends_well()
