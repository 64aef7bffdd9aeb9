"""hiredis in a loop: example redis, against a redis-server of its own."""

import os
import socket
import subprocess
import tempfile

from hosting import LIMIT, Example, Missing, expect, tool, until


def program():
    """redis-server, or the same program under the name that it has without the service."""
    try:
        return tool('redis-server')
    except Missing:
        return tool('redis-check-rdb')


class Server:
    """Killed at the end of its `with`."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, 'socket')
        self.process = subprocess.Popen(
            ['redis-server', '--port', '0', '--unixsocket', self.path, '--save', '',
             '--dir', self.directory.name], executable=program(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        until(self.is_there, 'the server does not listen')
        return self

    def is_there(self):
        expect(self.process.poll() is None, 'the server has ended')
        try:
            return self.say('PING') == b'+PONG\r\n'
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def say(self, *words):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LIMIT)
            sock.connect(self.path)
            parts = [f'*{len(words)}', *(f'${len(word)}\r\n{word}' for word in words), '']
            sock.sendall('\r\n'.join(parts).encode())
            return sock.recv(1000)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.kill()
        self.directory.cleanup()


def begins(example, count):
    """Both connections are there; which is first, nobody knows."""
    lines = sorted(example.line() for _ in range(2))
    expect(lines == ['subscribe: news\n', f'visits: {count}\n'], repr(lines))


def check_commands(env):
    """Many commands at once; messages; an orderly end."""
    with Server() as server, Example('redis', env, server.path, '20000') as example:
        begins(example, 20000)
        for text in 'hello', 'x' * 100000:
            expect(server.say('PUBLISH', 'news', text) == b':1\r\n', 'nobody listens')
            example.says(f'message: {text}')
        server.say('PUBLISH', 'news', 'end')
        expect(example.ends_well() == '', 'said more')


def ends_badly(example):
    out, err, status = example.end()
    expect((out, status) == ('', 1) and err.count('Server closed the connection') == 2,
           f'{status} {out!r} {err!r}')


def check_lost(env):
    """The server closes the connections, and is killed."""
    with Server() as server:
        with Example('redis', env, server.path, '1') as example:
            begins(example, 1)
            server.say('CLIENT', 'KILL', 'TYPE', 'pubsub')
            server.say('CLIENT', 'KILL', 'TYPE', 'normal')
            ends_badly(example)
        with Example('redis', env, server.path, '1') as example:
            begins(example, 1)
            server.kill()
            ends_badly(example)
        with Example('redis', env, server.path, '1') as example:
            _, err, status = example.end()
            expect(status == 1 and 'Connection refused' in err, err)


EXAMPLES = ['redis']
CASES = {'commands': check_commands, 'lost': check_lost}
