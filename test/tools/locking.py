"""heald lock and heald sem, as a person uses them."""

import json
import os
import signal
import subprocess
import time

from regions import PREFIX, end, locks, remove, start, until
from serving import HEALD, LIMIT, Skip, heald, is_portable


def children_of(process):
    found = subprocess.run(['pgrep', '-P', str(process.pid)], stdout=subprocess.PIPE, check=False,
                           text=True).stdout
    return [int(pid) for pid in found.split()]


def kill_with_command(holder):
    """Where the portable platform has no signal at the end of a parent, too."""
    commands = children_of(holder) if is_portable() else []
    holder.kill()
    for pid in commands:
        os.kill(pid, signal.SIGKILL)


def lock_runs_a_command():
    name = PREFIX + '-lock'
    try:
        assert end(start('lock', name, '--', 'sh', '-c', 'echo hi; exit 7')) == (7, 'hi\n', '')
        assert end(start('lock', name, '--', 'sh', '-c', 'kill -9 $$'))[0] == 128 + 9
        assert end(start('lock', name, 'sh', '-c', 'echo "$@"', '-', '--try', '--')) == \
            (0, '--try --\n', '')
        code, out, err = end(start('lock', name, '--', '/none/such'))
        assert code == 127 and out == '' and '/none/such' in err
        code, out, err = end(start('lock', '--json', name, '--', 'sh', '-c', 'exit 3'))
        said = json.loads(err)
        assert code == 3 and said['held'] and said['status'] == 3, (code, out, err)
        assert said['waited_s'] >= 0 and not said['last_holder_killed'], said
        holder = start('lock', name, '--', 'sleep', '1000')
        until(lambda: locks(name)[0]['locks'])
        code, out, err = end(start('lock', '--nonblock', name, '--', 'echo', 'no'))
        assert code == 1 and out == '' and 'another process holds it' in err
        code, out, err = end(start('lock', '--nonblock', '--json', name, '--', 'echo', 'no'))
        assert code == 1 and out == '' and not json.loads(err)['held'], err
        code, out, err = end(start('lock', '--timeout', '0.1', '--quiet', name, 'echo', 'no'))
        assert (code, out, err) == (1, '', '')
        waiter = start('lock', name, '--', 'echo', 'mine')
        until(lambda: locks(name)[0]['locks'][0]['waiters'])
        seen = locks(name)[0]['locks'][0]
        assert seen['holders'][0]['pid'] == holder.pid, seen
        assert seen['holders'][0]['site'].startswith('heald+0x'), seen  # the callback
        assert seen['waiters'][0]['pid'] == waiter.pid and seen['waiters'][0]['in_loop'], seen
        kill_with_command(holder)
        end(holder)
        code, out, err = end(waiter)
        assert (code, out) == (0, 'mine\n') and 'was killed' in err, (code, out, err)
        assert end(start('lock', '--nonblock', name, '--', 'echo', 'on')) == (0, 'on\n', '')
    finally:
        remove(name)


def is_running(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
            return ') Z ' not in file.read()
    except OSError:
        return False


def hold(*args):
    """A holder whose command is a program that ends by signals alone; and the program."""
    holder = start('lock', *args, '--', 'sh', '-c', 'echo on; exec sleep 1000')
    assert holder.stdout.readline() == 'on\n'
    return holder, children_of(holder)[0]


def the_command_does_not_outlive_the_lock():
    name = PREFIX + '-outlive'
    if is_portable():
        raise Skip('the portable platform has no signal at the end of a parent')
    try:
        holder, child = hold(name)
        holder.kill()
        end(holder)
        until(lambda: not is_running(child))
        holder, child = hold('--keep-running', name)
        holder.kill()
        holder.wait()
        assert end(start('lock', '-w', str(LIMIT), name, 'true'))[0] == 0
        assert is_running(child)
        os.kill(child, signal.SIGKILL)
        end(holder)
    finally:
        remove(name)


def any_number_of_words():
    name = PREFIX + '-words'
    try:
        words = ['x'] * 9000
        for command in (('lock', name), ('sem', name + '-sem', '2')):
            code, out, err = end(start(*command, 'sh', '-c', 'echo $#', *words))
            assert (code, out, err) == (0, '8999\n', ''), (code, out, err)
        for command in ('ls', 'locks', 'gc'):
            result = heald(command, *[name] * 300)
            assert result.returncode == 0 and result.stderr.count('\n') <= 1, result
        assert heald('ls', *[name] * 300).stdout.count(name) == 300
        assert heald('repair', name, *['lock'] * 300).stdout.count('not broken') == 300
    finally:
        remove(name)
        remove(name + '-sem')


def signals_do_not_free_the_lock():
    name = PREFIX + '-signals'
    numbers = [getattr(signal, 'SIG' + text) for text in
               'USR1 USR2 ALRM VTALRM PROF PIPE HUP TERM QUIT INT ABRT'.split()]
    try:
        for number in numbers + [signal.SIGRTMIN + 5]:
            holder, child = hold(name)
            holder.send_signal(number)
            code, out, err = end(holder)
            assert (code, out, err) == (128 + number, '', ''), (number, code, out, err)
            assert not is_running(child), number
        # A command that takes no notice keeps the lock.
        holder = start('lock', name, '--', 'sh', '-c', 'trap "" USR1; echo on; exec sleep 1000')
        assert holder.stdout.readline() == 'on\n'
        holder.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        assert holder.poll() is None and heald('lock', '-n', name, 'true').returncode == 1
        holder.send_signal(signal.SIGSTOP)
        assert heald('lock', '-n', name, 'true').returncode == 1
        holder.send_signal(signal.SIGCONT)
        holder.terminate()
        assert end(holder)[0] == 128 + signal.SIGTERM
    finally:
        remove(name)


def one_meaning_of_exit_statuses():
    name, none = PREFIX + '-status', PREFIX + '-none'
    try:
        holder = start('lock', name, '--', 'sleep', '1000')
        until(lambda: heald('locks', name).returncode == 0 and 'held' in heald('ls', name).stdout)
        for command in (('ls',), ('locks',), ('gc',), ('gc', '--delete')):
            for missing in (none, 'file:' + none, 'file:/dev/null'):
                result = heald(*command, missing)
                assert result.returncode == 2 and missing in result.stderr, (command, result)
        assert heald('gc', name).returncode == 1 and heald('gc').returncode == 0
        assert heald('gc', '--delete', name).returncode == 1
        assert heald('gc', name, none).returncode == 2
        for options, status in ((('-n',), 1), (('-n', '-E', '75'), 75), (('-nE', '75'), 75),
                                (('-w', '0.05', '-E0'), 0), (('-w0.05',), 1),
                                (('--nonblock', '--conflict-exit-code=7'), 7)):
            result = heald('lock', *options, name, 'echo', 'no')
            assert (result.returncode, result.stdout) == (status, ''), (options, result)
        with open('/dev/full', 'wb') as full:
            assert subprocess.run([HEALD, 'ls'], stdout=full, stderr=subprocess.PIPE,
                                  check=False).returncode == 2
        holder.terminate()
        end(holder)
        assert heald('gc', name).returncode == 0
        assert heald('lock', name, '--', '/dev/null').returncode == 126
        assert heald('lock', name, '--', '/dev/null/x').returncode == 127
    finally:
        remove(name)


def lock_passes_signals_on():
    name = PREFIX + '-signal'
    try:
        holder = start('lock', name, '--', 'sh', '-c', 'trap "exit 5" TERM; echo on; '
                       'while :; do sleep 0.05; done')
        assert holder.stdout.readline() == 'on\n'
        waiter = start('lock', name, '--', 'echo', 'no')
        until(lambda: locks(name)[0]['locks'][0]['waiters'])
        waiter.terminate()
        code, out, err = end(waiter)
        assert (code, out, err) == (128 + signal.SIGTERM, '', '')
        holder.terminate()
        assert end(holder) == (5, '', '')
    finally:
        remove(name)


def lock_leaves_ignored_signals_ignored():
    name = PREFIX + '-nohup'
    try:
        holder = start('lock', name, '--', 'sh', '-c', 'echo on; sleep 0.3; echo still',
                       ignored=signal.SIGHUP)
        assert holder.stdout.readline() == 'on\n'
        holder.send_signal(signal.SIGHUP)
        assert end(holder) == (0, 'still\n', '')
    finally:
        remove(name)


def sem_runs_so_many():
    name = PREFIX + '-sem'
    try:
        holders = [start('sem', name, '2', '--', 'sh', '-c', 'echo on; exec sleep 1000')
                   for _ in range(2)]
        for holder in holders:
            assert holder.stdout.readline() == 'on\n'
        assert end(start('sem', '--nonblock', name, '2', '--', 'echo', 'no'))[0] == 1
        code, _, err = end(start('sem', name, '3', '--', 'echo', 'no'))
        assert code == 2 and '3 permits' in err
        seen = json.loads(heald('ls', '--json', name).stdout)['regions'][0]['objects'][0]
        assert (seen['name'], seen['type'], seen['free'], seen['max']) == ('sem', 'sem', 0, 2)
        for holder in holders:
            holder.terminate()
            assert end(holder)[0] == 128 + signal.SIGTERM
        assert end(start('sem', '--nonblock', name, '2', '--', 'echo', 'on')) == (0, 'on\n', '')
    finally:
        remove(name)


def messages_do_not_go_into_the_region():
    name = PREFIX + '-closed'
    holder = start('lock', name, '--', 'sleep', '1')
    try:
        until(lambda: heald('ls', name).returncode == 0)
        # pylint: disable=subprocess-popen-preexec-fn
        late = subprocess.run([HEALD, 'lock', '--nonblock', name, '--', 'true'], check=False,
                              timeout=LIMIT, preexec_fn=lambda: os.closerange(0, 3))
        assert late.returncode not in (0, 127), late
        assert heald('ls', name).returncode == 0
        assert end(start('lock', '--timeout', str(LIMIT), name, '--', 'true')) == (0, '', '')
    finally:
        end(holder)
        remove(name)


CASES = (lock_runs_a_command, any_number_of_words, the_command_does_not_outlive_the_lock,
         signals_do_not_free_the_lock, one_meaning_of_exit_statuses, lock_passes_signals_on,
         lock_leaves_ignored_signals_ignored, sem_runs_so_many, messages_do_not_go_into_the_region)
