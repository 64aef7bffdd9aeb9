"""heald call and heald reply: servers that fail, share the requests, are stopped or killed."""

import subprocess

from locking import kill_with_command
from regions import PREFIX, end, removing, start, until
from serving import HEALD, heald
from topics import stop

NAME = PREFIX + '-service'
WAITING = ('sh', '-c', 'echo on >&2; exec sleep 1000')


case = removing(NAME)


def call(*args, text=None):
    result = subprocess.run([HEALD, 'call', *args], input=text, capture_output=True, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


def is_served(name):
    return '  service  ' in heald('ls', name).stdout


@case
def requests_are_replied_to():
    server = start('reply', '-N', '4', NAME, 'tr', 'a-z', 'A-Z')
    until(lambda: is_served(NAME))
    assert call(NAME, 'hello') == (0, b'HELLO\n', '')
    assert call(NAME, text=b'a\0b\n') == (0, b'A\0B\n\n', '')
    assert call('-b', NAME, text=b'a\xff') == (0, b'A\xff', '')
    code, _, err = call(NAME, 'x' * 4001)
    assert code == 2, err
    assert 'a request of 4001 bytes is too long: the limit of the service is 4000\n' in err, err
    with open('/dev/zero', 'rb') as zeroes:
        result = subprocess.run([HEALD, 'call', NAME], stdin=zeroes, capture_output=True,
                                check=False)
    assert result.returncode == 2 and b'at least 4001 bytes is too long' in result.stderr, result
    assert call(NAME, '') == (0, b'\n', '')
    assert end(server) == (0, '', '')
    code, _, err = call('-w', '0.01', NAME, 'x')
    assert code == 1 and 'no server received the request in time' in err, err
    assert heald('reply', '-w', '0.01', NAME, 'true').returncode == 1  # nobody awaits that one


@case
def a_caller_waits_for_the_service():
    caller = start('call', NAME, '3 4')
    assert 'there is no service "service" yet' in caller.stderr.readline()
    result = heald('reply', '-N1', NAME, '--', 'sh', '-c', 'read a b; echo $((a * b))')
    assert result.returncode == 0, result
    assert end(caller) == (0, '12\n\n', '')
    for args, code in ((('call',), 2), (('reply',), 2), (('reply', NAME), 2),
                       (('call', '-w', '0.01', PREFIX + '-none', 'x'), 1),
                       (('call', NAME, 'x', 'y'), 2), (('call', '-x', NAME), 2)):
        result = heald(*args)
        assert result.returncode == code and result.stderr.startswith('heald '), (args, result)


@case
def commands_that_fail():
    for command, code, words in ((('sh', '-c', 'exit 3'), 0, 'sh: exit status 3'),
                                 (('sh', '-c', 'kill -9 $$'), 0, 'sh: ended by signal 9'),
                                 (('head', '-c', '5000', '/dev/zero'), 0, 'longer than 4000'),
                                 (('/nonexistent',), 127, 'no such file'), (('/',), 126, 'denied')):
        server = start('reply', '-N', '1', NAME, *command)
        result = call(NAME, 'x')
        assert result[0] == 3 and 'the server replied with an error' in result[2], result
        result = end(server)
        assert result[0] == code and words in result[2], result


@case
def a_server_is_killed():
    first = start('reply', NAME, *WAITING)
    until(lambda: is_served(NAME))
    caller = start('call', NAME, 'x')
    other = start('call', NAME, 'z')
    until(lambda: '1 request waiting, 62 of 64 slots free, 2 sent, 2 clients, held by '
          in heald('ls', NAME).stdout)
    other.kill()
    end(other)
    assert first.stderr.readline() == 'on\n'
    code, _, err = call('-w', '0.01', NAME, 'y')
    assert code == 1, err
    kill_with_command(first)
    end(first)
    assert heald('reply', '-N1', NAME, 'echo', 'second').returncode == 0
    assert end(caller) == (0, 'second\n\n', '')


@case
def a_server_is_stopped_or_killed_and_has_the_request():
    name = NAME + ':once'
    server = start('reply', '--at-most-once', name, *WAITING)
    until(lambda: '  once  ' in heald('ls', NAME).stdout)
    caller = start('call', name, 'x')
    assert server.stderr.readline() == 'on\n'
    stop(server)
    impatient = start('call', '-w', '0.01', name, 'y')
    assert end(impatient)[0] == 1
    kill_with_command(server)
    end(server)
    code, _, err = end(caller)
    assert code == 4 and 'the server died, and may have served' in err, err


@case
def servers_share_the_requests():
    servers = [start('reply', '-N', '5', NAME, 'cat') for _ in range(2)]
    until(lambda: is_served(NAME))
    callers = [start('call', NAME, str(i)) for i in range(10)]
    for i, caller in enumerate(callers):
        assert end(caller) == (0, f'{i}\n', '')
    for server in servers:
        assert end(server)[0] == 0


CASES = (requests_are_replied_to, a_caller_waits_for_the_service, commands_that_fail,
         a_server_is_killed, a_server_is_stopped_or_killed_and_has_the_request,
         servers_share_the_requests)
