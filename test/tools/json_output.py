"""The JSON of the tools for shared memory is what their pages say, and all of that."""

import json
import os
import signal
import tempfile

from file_locks import files, hold
from regions import PREFIX, Hang, Helper, end, path_of, remove, start, until
from schema import Schema
from serving import heald, is_portable


def checked(schema, *args, status=0):
    """Runs a command whose JSON must be what its page says."""
    result = heald(*args)
    text = result.stderr if args[0] in ('lock', 'sem') else result.stdout
    assert result.returncode == status and text.count('\n') == 1, result
    schema.check(json.loads(text))


def file_locks_too(page):
    """One that is held, and waited for."""
    with tempfile.NamedTemporaryFile() as file:
        holder = hold(file.name, 'flock')
        assert holder.stdout.readline() == 'locked\n'
        waiter = hold(file.name, 'flock')
        try:
            until(lambda: files(file.name)['flock']['waiters'])
            checked(page, 'locks', '--files', '--json')
        finally:
            for process in (holder, waiter):
                process.kill()
                process.communicate()


def json_is_what_the_pages_say():
    names = ('ls', 'locks', 'gc', 'repair', 'lock', 'help')
    pages = {name: Schema(f'heald-{name}.1') for name in names}
    name, slow = PREFIX + '-json', None
    try:
        checked(pages['help'], 'help', '--json')
        assert heald('send', name + '-queue', 'x').returncode == 0
        assert heald('reply', '-w', '0.01', name + '-queue', 'true').returncode == 1
        slow = start('sub', name + '-queue')
        assert heald('pub', '--wait', name + '-queue', 'x').returncode == 0
        slow.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, slow.pid, os.WSTOPPED)
        assert heald('pub', name + '-queue', 'x').returncode == 0
        for command in ('lock', 'sem'):
            checked(pages['lock'], command, '--json', name + command, *['2'] * (command == 'sem'),
                    'true')
        with open(path_of(name + 'lock'), 'r+b') as file:  # which is corrupt then
            file.seek(24)
            file.write(b'x')
        with open('/dev/shm' + name + '-x' if os.path.isdir('/dev/shm') else os.devnull, 'wb'):
            pass
        with Hang('ab', 'ba', 'cd', 'dC', 'w', 'sR') as hang:
            checked(pages['ls'], 'ls', '--json')
            checked(pages['locks'], 'locks', '--json', '--all', hang.name, status=1)
            checked(pages['locks'], 'locks', '--json', hang.name, name + 'lock', status=2)
            checked(pages['gc'], 'gc', '--json')
        with Helper('broken') as broken:
            checked(pages['ls'], 'ls', '--json')
            checked(pages['repair'], 'repair', '--json', '--dry-run', broken.name, status=1)
            checked(pages['repair'], 'repair', '--json', broken.name, status=1)
        if os.access('/proc/locks', os.R_OK):
            file_locks_too(pages['locks'])
        missing = {name: schema.unseen() for name, schema in pages.items()}
        # Of a bridge, which needs a server: test/bridge.
        missing['ls'] = [path for path in missing['ls'] if '[].bridge' not in path]
        if is_portable():
            missing['ls'] = [path for path in missing['ls'] if not path.startswith('posix')]
        if not os.access('/proc/locks', os.R_OK):
            missing['locks'] = [path for path in missing['locks']
                                if not path.startswith(('files[]', 'range'))]
        assert not any(missing.values()), f'in a page, and never printed: {missing}'
    finally:
        if slow:
            slow.kill()
            end(slow)
        for path in ('lock', 'sem', '-queue', '-x'):
            remove(name + path)


CASES = (json_is_what_the_pages_say,)
