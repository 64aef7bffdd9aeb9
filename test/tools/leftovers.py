"""heald gc and heald repair, and regions that are broken, foreign or unused."""

import itertools
import json
import os
import pwd
import re
import subprocess
import sys
import threading

from regions import PREFIX, Hang, Helper, end, path_of, remove, start, until
from serving import HEALD, Skip, heald, is_portable


class Cutter(threading.Thread):
    """Truncates a file to nothing, and writes it again, until it is left."""

    def __init__(self, file, whole):
        super().__init__()
        self.file, self.whole, self.is_over = file, whole, False

    def run(self):
        for at in itertools.cycle((0, 4096, 8192, len(self.whole) // 2)):
            if self.is_over:
                return
            os.ftruncate(self.file.fileno(), at)
            os.pwrite(self.file.fileno(), self.whole, 0)

    def __enter__(self):
        self.start()

    def __exit__(self, *exc):
        self.is_over = True
        self.join()


def gc_of_a_file():
    path = f'/tmp{PREFIX}-gc'
    try:
        assert end(start('lock', 'file:' + path, '--', 'true'))[0] == 0
        result = heald('gc', 'file:' + path)
        assert result.returncode == 0 and 'unused' in result.stdout, result
        assert heald('gc', '--delete', 'file:' + path).returncode == 0
        assert not os.path.exists(path)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def repair_says_what_it_did():
    with Helper('broken') as broken:
        name = broken.name
        for args in ((), (PREFIX + '-none',), (name, 'm', 'none'), (name, ''), ('--x', name)):
            result = heald('repair', *args)
            assert result.returncode == 2 and result.stdout == '', (args, result)
        before = heald('ls', name).stdout
        result = heald('repair', '--dry-run', name)
        assert result.returncode == 1, result
        assert result.stdout.count('its holder died: broken\n') == 2, result
        assert heald('ls', name).stdout == before and before.count('orphaned') == 2, before
        assert heald('repair', name, 'fine').stdout.endswith('mutex "fine": not broken\n')
        result = heald('repair', name, 'm')
        assert result.returncode == 0, result
        assert result.stdout == f'{name}  mutex "m": its holder died: marked consistent\n', result
        result = heald('repair', name)
        assert result.returncode == 1 and result.stdout.count('\n') == 3, result
        for text in ('rwlock "w": its holder died: marked consistent',
                     'barrier "b": a process that had arrived died: reset',
                     'mutex "lost": not recoverable after its holder died: permanent'):
            assert text in result.stdout, (text, result)
        after = heald('ls', name).stdout
        assert 'orphaned' not in after and '0 of 2 arrived' in after, after
        assert heald('repair', name).stdout.count('\n') == 1
        assert heald('repair', name, 'm', 'w', 'b').stdout.count('not broken') == 3
    with Hang('ab', 'ba') as hang:
        result = heald('repair', hang.name)
        assert result.returncode == 0 and 'no named object is broken' in result.stdout, result


def refused_access_says_whose():
    if os.geteuid() != 0:
        raise Skip('only root may make a region of another user')
    name = PREFIX + '-nobody'
    try:
        assert end(start('lock', name, '--', 'true'))[0] == 0
        os.chown(path_of(name), 1, 1)
        owner = pwd.getpwuid(1).pw_name
        result = heald('repair', name)
        want = f'it belongs to user {owner} (1), mode 600; run this as {owner}\n'
        assert result.returncode == 2 and result.stderr.endswith(want), result
        assert result.stderr == heald('lock', name, 'true').stderr.replace('lock', 'repair')
        os.chown(path_of(name), 0, 0)
        # pylint: disable=subprocess-popen-preexec-fn
        for command in ('ls', 'locks', 'gc'):
            result = subprocess.run([HEALD, command, name], stderr=subprocess.PIPE, text=True,
                                    stdout=subprocess.PIPE, check=False,
                                    preexec_fn=lambda: os.setuid(2))
            assert result.returncode == 2, result
            assert 'belongs to user root (0), mode 600; run this as root' in result.stderr, result
        result = subprocess.run([HEALD, 'ls'], stdout=subprocess.PIPE, text=True, check=False,
                                preexec_fn=lambda: os.setuid(2))
        want = r' +region +error +permission denied: it bel'
        assert result.returncode == 0 and re.search(name + want, result.stdout), result
    finally:
        remove(name)


def gc_removes_the_unused_alone():
    used, unused = PREFIX + '-used', PREFIX + '-unused'
    try:
        assert end(start('lock', unused, '--', 'true'))[0] == 0
        holder = start('lock', used, '--', 'sh', '-c', 'echo on; exec sleep 1000')
        assert holder.stdout.readline() == 'on\n'
        found = {f['name']: f for f in json.loads(heald('gc', '--json').stdout)['items']}
        assert found[used]['state'] == 'kept' and found[unused]['state'] == 'unused', found
        assert heald('ls', unused).returncode == 0
        text = heald('gc', '--delete', used, unused).stdout
        assert 'removed' in text and 'no process has it open' in text, text
        assert heald('ls', unused).returncode == 2
        assert heald('ls', used).returncode == 0
        holder.terminate()
        end(holder)
    finally:
        remove(used)
        remove(unused)


def posix_leftovers():
    if not os.path.isdir('/dev/shm'):
        raise Skip('no /dev/shm')
    name = f'sem.heald-tools-{os.getpid()}'
    path = '/dev/shm/' + name
    try:
        with open(path, 'wb') as file:
            file.write(bytes(32))
            file.flush()
            if name not in heald('ls').stdout:
                raise Skip('the portable platform keeps its regions elsewhere')
            found = {f['name']: f for f in json.loads(heald('gc', '--json').stdout)['items']}
            assert found[name]['state'] == 'kept', found
        heald('gc', '--delete', name)
        assert not os.path.exists(path)
    finally:
        remove('/' + name)


def who_opens_it_meanwhile_does_not_end_gc():
    if is_portable() or not os.path.isdir('/dev/shm'):
        raise Skip('regions are not kept in /dev/shm')
    path = '/dev/shm' + PREFIX + '-opened'
    program = 'import os, sys\nwhile True: os.close(os.open(sys.argv[1], os.O_RDWR))'
    with open(path, 'wb') as file:
        file.write(b'x')
    # pylint: disable=consider-using-with
    opener = subprocess.Popen([sys.executable, '-c', program, path])
    try:
        for _ in range(100):
            assert heald('gc', path[len('/dev/shm/'):]).returncode in (0, 1)
    finally:
        opener.kill()
        opener.wait()
        os.unlink(path)


def corrupt_regions_are_said_to_be():
    name = PREFIX + '-corrupt'
    try:
        assert end(start('lock', name, '--', 'true'))[0] == 0
        with open(path_of(name), 'r+b') as file:
            file.seek(24)
            file.write(b'x')
        result = heald('ls')
        said = [line for line in result.stdout.splitlines() if line.startswith(name)]
        assert 'checksum' in ''.join(said), result
        found = {f['name']: f for f in json.loads(heald('gc', '--json').stdout)['items']}
        assert found[name]['state'] == 'kept', found
    finally:
        remove(name)


def corrupt_regions_are_in_every_form_of_locks():
    name = PREFIX + '-dark'
    try:
        assert end(start('lock', name, '--', 'true'))[0] == 0
        with open(path_of(name), 'r+b') as file:
            file.seek(24)
            file.write(b'x')
        for args, status in ((), 0), ((name,), 2):
            result = heald('locks', '--json', *args)
            found = [e for e in json.loads(result.stdout)['errors'] if e['region'] == name]
            assert result.returncode == status and len(found) == 1, result
            assert found[0]['error'] < 0 and 'checksum' in found[0]['why'], found
            result = heald('locks', '--dot', *args)
            said = [line for line in result.stderr.splitlines() if name in line]
            assert result.returncode == status and len(said) == 1, result
            assert said[0].startswith(f'heald locks: {name}: ') and 'checksum' in said[0], said
    finally:
        remove(name)


def truncated_meanwhile():
    """Somebody else cuts the file and makes it long again, at any moment of a look."""
    name = PREFIX + '-cut'
    try:
        assert end(start('lock', name, '--', 'true'))[0] == 0
        path = path_of(name)
        with open(path, 'rb') as file:
            whole = file.read()
        with open(path, 'r+b') as file, Cutter(file, whole):
            for _ in range(100):
                for command in ('ls', 'locks', 'gc'):
                    result = heald(command, name)
                    assert 0 <= result.returncode <= 2, (command, result)
    finally:
        remove(name)


def with_descriptors(count, *args):
    """Runs a command that may have so many descriptors open."""
    return subprocess.run(['sh', '-c', f'ulimit -Sn {count}; exec "$0" "$@"', HEALD, *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


def more_regions_than_descriptors():
    names = [f'{PREFIX}-many-{i}' for i in range(40)]
    try:
        assert all(heald('lock', name, 'true').returncode == 0 for name in names)
        for command in (('ls', '--json'), ('locks', '--all', '--json'), ('gc', '--json')):
            result = with_descriptors(24, *command)
            assert result.returncode == 0, result
            for name in names:
                assert f'"{name}"' in result.stdout, (command, name)
            assert 'too many' not in result.stdout, result
            # The directory has the fourth.
            result = with_descriptors(4, *command)
            assert result.returncode == 2, result
    finally:
        for name in names:
            remove(name)


CASES = (gc_of_a_file, more_regions_than_descriptors, repair_says_what_it_did,
         refused_access_says_whose, gc_removes_the_unused_alone, posix_leftovers,
         who_opens_it_meanwhile_does_not_end_gc, corrupt_regions_are_said_to_be,
         corrupt_regions_are_in_every_form_of_locks, truncated_meanwhile)
