"""heald locks --files: the locks on files, their holders and waiters."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile

from regions import until
from serving import Skip, heald

HOLD = '''
import fcntl, os, struct, sys
path, form, how = sys.argv[1:4]
fd = os.open(path, os.O_RDWR)
if form == 'flock':
    fcntl.flock(fd, fcntl.LOCK_EX)
else:
    fcntl.fcntl(fd, int(how), struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 5, 10, 0))
print('locked', flush=True)
sys.stdin.read()
'''
SETLKW = 38  # F_OFD_SETLKW


def hold(path, form):
    """A process that has the lock, or waits for it."""
    return subprocess.Popen([sys.executable, '-c', HOLD, path, form, str(SETLKW)], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def files(path):
    """{type: lock} of one file; the process may die as it is read."""
    result = heald('locks', '--files', '--json')
    found = json.loads(result.stdout)['files']
    inode = os.stat(path).st_ino
    return {lock['type']: lock for lock in found if lock['inode'] == inode}


def need_list():
    if not os.access('/proc/locks', os.R_OK) or sys.maxsize < 2**32:
        raise Skip('no /proc/locks here')


def locks_on_files():
    need_list()
    with tempfile.NamedTemporaryFile() as file:
        processes = []
        try:
            for form in ('flock', 'ofd'):
                holder = hold(file.name, form)
                processes.append(holder)
                assert holder.stdout.readline() == 'locked\n'
                waiter = hold(file.name, form)
                processes.append(waiter)
                until(lambda: files(file.name)[form]['waiters'])
                seen = files(file.name)[form]
                assert seen['path'] == os.path.realpath(file.name), seen
                assert seen['mode'] == 'write' and seen['waiters'][0]['mode'] == 'write', seen
                assert [p['pid'] for p in seen['holders']] == [holder.pid], seen
                assert seen['waiters'][0]['pid'] in (waiter.pid, 0), seen
                assert (seen['start'], seen['end']) == ((0, None) if form == 'flock' else (5, 14))
            text = heald('locks', '--files').stdout
            assert f'{os.path.realpath(file.name)}  ofd lock\n' in text, text
            assert f'held by {processes[2].pid} (' in text and 'bytes 5 to 14' in text, text
            assert 'waiter 1 of 1: ' in text, text
            processes[0].kill()
            assert processes[1].stdout.readline() == 'locked\n'
            assert [p['pid'] for p in files(file.name)['flock']['holders']] == [processes[1].pid]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        assert not files(file.name)


def locks_of_this_process():
    """Of fcntl(2) without open file descriptions; and nothing that was not asked for."""
    need_list()
    with tempfile.NamedTemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 3, 1)
        seen = files(file.name)['posix']
        assert [p['pid'] for p in seen['holders']] == [os.getpid()], seen
        assert (seen['start'], seen['end'], seen['waiters']) == (1, 3, []), seen
        assert json.loads(heald('locks', '--json').stdout)['files'] == []
        result = heald('locks', '--files', '--dot')
        assert result.returncode == 2 and 'mutually exclusive' in result.stderr, result


CASES = (locks_on_files, locks_of_this_process)
