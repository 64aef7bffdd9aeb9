"""heald send, recv and pipe, between processes as a person starts them."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile

from regions import PREFIX, end, path_of, remove, start
from schema import Schema
from serving import HEALD, heald


def errors_in_terminal(*args):
    """What a command prints to a terminal that is its standard error."""
    master, slave = pty.openpty()
    subprocess.run([HEALD, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=slave, check=False)
    ready, _, _ = select.select([master], [], [], 0)
    text = os.read(master, 65536).decode() if ready else ''
    os.close(slave)
    os.close(master)
    return text


def messages():
    name = PREFIX + '-queue'
    try:
        result = heald('recv', '-n', name)
        assert result.returncode == 1 and 'there is no queue "queue"\n' in result.stderr, result
        assert heald('ls', name).returncode == 2  # it created nothing
        assert heald('send', name, 'one', '', 'three').returncode == 0
        result = subprocess.run([HEALD, 'send', '--close', name], input='4th\n5th', text=True,
                                capture_output=True, check=False)
        assert result.returncode == 0, result
        seen = json.loads(heald('ls', '--json', name).stdout)['regions'][0]['objects'][0]
        assert (seen['type'], seen['messages'], seen['state']) == ('queue', 5, 'done'), seen
        assert (seen['sent'], seen['capacity'], seen['priorities']) == (5, 64, 1), seen
        assert '5 messages, 59 of 64 slots free, 5 sent' in heald('ls', name).stdout
        result = heald('recv', '-N', '2', name)
        assert (result.returncode, result.stdout) == (0, 'one\n\n'), result
        result = heald('recv', '--json', '-N', '1', name)
        Schema('heald-recv.1').check(json.loads(result.stdout))
        result = subprocess.run([HEALD, 'send', name + ':bytes'], input=b'a\0b\xff', check=False)
        result = heald('recv', '--json', '-n', name + ':bytes')
        line = json.loads(result.stdout)
        Schema('heald-recv.1').check(line)
        assert (line['size'], line['base64'], line.get('data')) == (4, 'YQBi/w==', None), line
        result = heald('recv', '-0', name)
        assert (result.returncode, result.stdout) == (0, '4th\0005th\0'), result
        result = heald('send', name, 'late')
        assert result.returncode == 2 and 'is closed' in result.stderr, result
    finally:
        remove(name)


def messages_that_do_not_fit():
    name = PREFIX + '-small'
    try:
        assert heald('send', '--capacity', '1', '--size', '3', name, 'abc').returncode == 0
        result = heald('send', '-n', name, 'x')
        assert result.returncode == 1 and 'is full, with 1 message\n' in result.stderr, result
        result = heald('send', '-w', '0.01', name, 'abcd')
        assert result.returncode == 2, result
        assert 'of 4 bytes is too long: the limit of the queue is 3\n' in result.stderr, result
        with open('/dev/zero', 'rb') as zeroes:
            result = subprocess.run([HEALD, 'send', name], stdin=zeroes, capture_output=True,
                                    text=True, check=False)
        assert result.returncode == 2, result
        assert 'of at least 4 bytes is too long: the limit of the queue is 3' in result.stderr
        result = heald('send', '--priority', '1', name, 'x')
        assert result.returncode == 2, result
        assert '--priority 1: the highest of the queue is 0\n' in result.stderr, result
        for bad in (name + ':', ':x', name + ':' + 48 * 'x', 'x'):
            assert heald('send', '-n', bad, 'x').returncode == 2, bad
    finally:
        remove(name)


def memory_has_a_limit():
    name = PREFIX + '-huge'
    try:
        for args in (('send', '--size', '268435456', name, 'x'),
                     ('pub', '--size', '100000000', name, 'x'),
                     ('reply', '--size', '134217728', name, 'true'),
                     ('reply', '--reply-size', '100000000', name, 'true')):
            result = heald(*args)
            assert result.returncode == 2 and result.stderr.count('\n') == 1, (args, result)
            assert re.search('needs .* of memory; the limit is 1G', result.stderr), result
        assert heald('ls', name).returncode == 2
    finally:
        remove(name)


def one_waits_for_the_other():
    name = PREFIX + '-wait'
    try:
        assert heald('send', '--close', name + ':other').returncode == 0
        receiver = start('recv', '-N', '1', name + ':jobs')
        said = receiver.stderr.readline()
        assert 'there is no queue "jobs" yet; waiting for it (there is "other")\n' in said, said
        result = heald('send', '--size', '5000', name + ':jobs', 4096 * 'x')
        assert (result.returncode, result.stderr) == (0, ''), result
        assert end(receiver) == (0, 4096 * 'x' + '\n', '')
    finally:
        remove(name)


def a_terminal_sees_what_is_made():
    name = PREFIX + '-made'
    try:
        for args, made in ((('send', name, 'x'), 'queue "queue"'), (('send', name, 'x'), None),
                           (('pub', '-n', name, 'x'), 'topic "topic"'),
                           (('reply', '-w', '0.01', name, 'true'), 'service "service"'),
                           (('pipe', '-qs', name), 'queue "pipe"')):
            said = errors_in_terminal(*args)
            assert said == (f'heald {args[0]}: {name}: made the {made}\r\n' if made else ''), said
    finally:
        remove(name)


def a_pipe():
    name = PREFIX + '-pipe'
    data = os.urandom(5 << 20)
    try:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            sender = subprocess.Popen([HEALD, 'pipe', '-s', name], stdin=file)
            received = subprocess.run([HEALD, 'pipe', '-r', name], capture_output=True, check=False)
            assert sender.wait() == 0 and received.returncode == 0, received
            assert received.stdout == data and received.stderr == b''
        assert heald('ls', name).returncode == 2  # it is removed
        assert heald('pipe', '-s', '-r', name).returncode == 2
    finally:
        remove(name)


def a_file_that_is_truncated():
    name = PREFIX + '-short'
    try:
        assert heald('send', name, 'first').returncode == 0
        receiver = start('recv', name)
        assert receiver.stdout.readline() == 'first\n'
        os.truncate(path_of(name), 0)
        status, out, err = end(receiver)
        assert (status, out) == (2, '') and 'was truncated' in err, (status, out, err)
    finally:
        remove(name)


def a_pipe_whose_sender_is_killed():
    name = PREFIX + '-cut'
    try:
        sender = subprocess.Popen([HEALD, 'pipe', '-s', name], stdin=subprocess.PIPE)
        sender.stdin.write(b'beginning')
        sender.stdin.flush()
        receiver = subprocess.Popen([HEALD, 'pipe', '-r', name], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        assert receiver.stdout.read(9) == b'beginning'
        sender.send_signal(signal.SIGKILL)
        sender.communicate()
        _, err = receiver.communicate()
        assert receiver.returncode == 2 and b'the sender ended' in err, err
    finally:
        remove(name)


def object_in(name):
    return json.loads(heald('ls', '--json', name).stdout)['regions'][0]['objects'][0]


def samples_are_published():
    name = PREFIX + '-pub'
    try:
        result = heald('pub', '--wait', '-n', '--capacity', '4', '--history', '0', '--chunks', '6',
                       '--size', '8', name, 'x')
        assert result.returncode == 1 and 'no subscriber' in result.stderr, result
        result = subprocess.run([HEALD, 'pub', '-n', name], input='one\n\n12345678', text=True,
                                capture_output=True, check=False)
        assert (result.returncode, result.stderr) == (0, ''), result
        seen = object_in(name)
        assert (seen['name'], seen['type'], seen['max'], seen['free']) == ('topic', 'topic', 6, 6)
        result = heald('pub', name, '123456789')
        assert result.returncode == 2, result
        assert 'of 9 bytes is too long: the limit of the topic is 8\n' in result.stderr, result
        with open('/dev/zero', 'rb') as zeroes:
            result = subprocess.run([HEALD, 'pub', name], stdin=zeroes, capture_output=True,
                                    text=True, check=False)
        assert result.returncode == 2, result
        assert 'at least 9 bytes is too long: the limit of the topic is 8' in result.stderr
        for words in (('-b', name, 'x'), ('-b0', name), (name + ':a/b', 'x'), (name + ':', 'x'),
                      ('--chunks', '2', name + ':few', 'x'), ()):
            result = heald('pub', *words)
            assert result.returncode == 2 and result.stderr.count('\n') == 1, (words, result)
        assert heald('send', name + ':queue', 'x').returncode == 0
        result = heald('pub', name + ':queue', 'x')
        assert result.returncode == 2 and '"queue" is not a topic' in result.stderr, result
    finally:
        remove(name)


CASES = (messages, samples_are_published, messages_that_do_not_fit, memory_has_a_limit,
         one_waits_for_the_other, a_terminal_sees_what_is_made, a_pipe, a_file_that_is_truncated,
         a_pipe_whose_sender_is_killed)
