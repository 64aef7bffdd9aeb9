"""What the tests of the command share: a server as a child, raw requests, a count of the cases."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback

BUILD = os.environ['HEALD_BUILD_DIR']
HEALD = os.path.join(BUILD, 'cmd', 'heald', 'heald')
SLOW = int(os.environ.get('HEALD_TEST_SLOW', '1'))
LIMIT = 10 * SLOW
SECRET = b'this must never leave the machine'


class Skip(Exception):
    """The case cannot be run here; why."""


class Cases:
    """Runs cases, which fail by an exception, and prints the sum."""

    def __init__(self, command=HEALD):
        self.passed = self.failed = self.skipped = 0
        if command and not os.path.exists(command):
            self.skipped = 1
            print('skip: the command was not built: no llhttp')
            self.finish()

    def run(self, name, case, *args):
        try:
            case(*args)
        except Skip as skip:
            self.skipped += 1
            print(f'skip: {name}: {skip}')
        except Exception:  # pylint: disable=broad-except
            self.failed += 1
            print(f'FAIL {name}\n{traceback.format_exc()}')
        else:
            self.passed += 1
            print(f'ok   {name}')
        sys.stdout.flush()

    def finish(self):
        print(f'# {self.passed} passed, {self.failed} failed, {self.skipped} skipped')
        if self.failed:
            sys.exit(1)
        sys.exit(0 if self.passed else 77)


def heald(*args, env=None, limit=LIMIT):
    return subprocess.run([HEALD, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})),
                          timeout=limit, check=False)


def features():
    return json.loads(heald('backends', '--json').stdout)


def backends():
    return [b['name'] for b in features()['backends'] if b['available']]


def is_portable():
    """Built for the portable platform, which knows less of the system than it could on Linux."""
    return os.uname().sysname == 'Linux' and 'epoll' not in backends()


class Server:
    """`heald serve` on a port of its own. Ends in stop(), or with the block.

    descriptors: its limits of descriptors, soft and hard.
    """

    def __init__(self, directory, *options, backend=None, descriptors=None):
        command = [HEALD, 'serve', directory, *options]
        if '--listen' not in options:
            command += ['--port', '0']
        if '--log' not in options:
            command += ['--no-log']
        if backend:
            command += ['--backend', backend]
        def prepare():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)

        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL,
            preexec_fn=prepare)
        self.url, self.port = None, None
        for line in self.process.stdout:
            if line.startswith(b'listening on '):
                self.url = line.split()[-1].decode()
                break
        assert self.url, f'the server did not start: {self.stderr()}'
        if self.url.startswith('http://'):
            self.port = int(self.url.rstrip('/').rsplit(':', 1)[1])

    def stderr(self):
        """Without moving the offset, at which the server writes: it is the same open file."""
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode(errors='replace')

    def stop(self, *signals):
        for number in signals or (signal.SIGTERM,):
            self.process.send_signal(number)
        self.process.stdout.read()
        status = self.process.wait(timeout=20 * SLOW)
        assert status == 0, f'the server ended with {status}: {self.stderr()}'

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind:
                self.process.kill()
                self.process.wait()
            else:
                self.stop()
        self.process.stdout.close()
        self.errors.close()

    def connect(self):
        return socket.create_connection(('127.0.0.1', self.port), timeout=LIMIT)

    def raw(self, data):
        """Sends bytes and returns all that comes until the server closes."""
        with self.connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def ask(self, target, *fields, method='GET', version='1.1'):
        """One request on a connection of its own: its response."""
        if isinstance(target, str):
            target = target.encode()
        lines = [method.encode() + b' ' + target + b' HTTP/' + version.encode(), b'Host: test',
                 b'Connection: close', *(f.encode() for f in fields)]
        responses = parse(self.raw(b'\r\n'.join(lines) + b'\r\n\r\n'), [method])
        assert len(responses) == 1, responses
        return responses[0]


def read_all(sock):
    parts = []
    while True:
        try:
            part = sock.recv(1 << 20)
        except ConnectionResetError:
            break
        if not part:
            break
        parts.append(part)
    return b''.join(parts)


class Response:
    def __init__(self, head, body):
        first, *fields = head.decode('latin-1').split('\r\n')
        self.version, status, self.reason = first.split(' ', 2)
        self.status = int(status)
        self.fields = {}
        for field in fields:
            name, value = field.split(': ', 1)
            assert name.lower() not in self.fields, f'{name} twice'
            self.fields[name.lower()] = value
        self.body = body

    def __getitem__(self, name):
        return self.fields.get(name)

    def __repr__(self):
        return f'<{self.status} {self.fields} {len(self.body)} bytes>'


def parse(data, methods=()):
    """The responses in a stream of bytes, which must end with a whole one."""
    responses = []
    while data:
        head, end, data = data.partition(b'\r\n\r\n')
        assert end, f'a head that is cut: {head!r}'
        response = Response(head, b'')
        method = methods[len(responses)] if len(responses) < len(methods) else 'GET'
        if response.status != 304 and method != 'HEAD':
            length = int(response['content-length'])
            assert len(data) >= length, f'{response}: {len(data)} bytes of {length}'
            response.body, data = data[:length], data[length:]
        responses.append(response)
    return responses


def write(directory, name, data):
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


class Directory:
    """What the servers serve, with a secret beside it."""

    BIG = os.urandom(1 << 20) * 10
    HUGE = 32 << 20  # more than the system takes from a sender whose receiver does not read

    def __enter__(self):
        self.base = tempfile.mkdtemp(prefix='heald-serve-')
        self.path = os.path.join(self.base, 'served')
        write(self.base, 'secret.txt', SECRET)
        write(self.path, 'index.html', b'<h1>first page</h1>\n')
        write(self.path, 'a.txt', b'hello, world\n')
        write(self.path, 'empty', b'')
        write(self.path, 'sub/index.html', b'below\n')
        write(self.path, 'plain/b.css', b'b {}\n')
        write(self.path, 'big.bin', self.BIG)
        write(self.path, 'huge.bin', b'')
        os.truncate(os.path.join(self.path, 'huge.bin'), self.HUGE)
        write(self.path, 'two words.html', b'two\n')
        write(self.path, '\u00e4\u00f6%41?.txt', b'odd\n')
        for name in ('.secret', '.git/config', 'sub/.hidden', 'sub/.dir/file', '.well-known/a.txt',
                     '.well-known/.hidden', 'sub/.well-known/a.txt', '.well-known-not/a.txt'):
            write(self.path, name, b'dot\n')
        os.symlink(os.path.join(self.base, 'secret.txt'), os.path.join(self.path, 'absolute'))
        os.symlink('../secret.txt', os.path.join(self.path, 'relative'))
        os.symlink('..', os.path.join(self.path, 'up'))
        os.symlink('/', os.path.join(self.path, 'root'))
        os.symlink('a.txt', os.path.join(self.path, 'inside'))
        os.mkfifo(os.path.join(self.path, 'fifo'))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base)


def need(program):
    if not shutil.which(program):
        raise Skip(f'there is no {program} here')
