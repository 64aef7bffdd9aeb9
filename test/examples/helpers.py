"""What the checks of the examples share: an example is started, and what it prints is read."""

import os
import select
import subprocess
import time

BUILD = os.environ.get('HEALD_BUILD_DIR', 'build')
SLOW = max(1, int(os.environ.get('HEALD_TEST_SLOW') or '1'))
LIMIT = 10 * SLOW  # seconds, for anything that is awaited here
BACKENDS = ['uring', 'epoll', 'kqueue', 'poll', 'select']
ENGINES = ['uring', 'threads', 'sync']
ABSENT = ('not in this build', 'not available here')


class Failure(Exception):
    """What an example did otherwise than it should."""


class Missing(Exception):
    """What the system lacks."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def environment(backend, engine=None):
    env = dict(os.environ, HEALD_BACKEND=backend)
    env.pop('HEALD_ENGINE', None)
    if engine:
        env['HEALD_ENGINE'] = engine
    return env


def start(name, env, *arguments, stdin=subprocess.DEVNULL):
    """Without a buffer: one would keep what is behind a line that was read from finish()."""
    return subprocess.Popen([os.path.join(BUILD, 'examples', name), *arguments], env=env, bufsize=0,
                            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    """What a process prints until its end, and its status."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired as late:
        process.kill()
        out, err = process.communicate()
        raise Failure(f'did not end; it printed {out!r} {err!r}') from late
    return out, err.decode('utf-8', 'replace'), process.returncode


def run(name, env, *arguments):
    return finish(start(name, env, *arguments))


def run_well(name, env, *arguments):
    """What a run that must end well prints."""
    out, err, status = run(name, env, *arguments)
    expect(status == 0 and not err, f'status {status}, {err!r}')
    return out.decode()


def read_line(process):
    """The next line of a process that goes on. Each ends with a flush, so none is cut."""
    ready, _, _ = select.select([process.stdout], [], [], LIMIT)
    expect(ready, 'prints nothing')
    return process.stdout.readline().decode()


def sleeps(process):
    """Waits until a process waits for something: what it printed before is behind it."""
    seen = 0
    for _ in range(LIMIT * 50):
        with open(f'/proc/{process.pid}/stat') as stat:
            state = stat.read().rsplit(')', 1)[1].split()[0]
        seen = seen + 1 if state == 'S' else 0
        if seen == 3:
            return
        time.sleep(0.02)
    raise Failure(f'does not wait, but is {state}')


def remove(name):
    """A region that an example leaves."""
    subprocess.run([os.path.join(BUILD, 'cmd', 'heald', 'heald'), 'gc', '--delete', name],
                   stdout=subprocess.DEVNULL, check=False)
