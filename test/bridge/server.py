"""A nats-server of a test's own, and a client of it that speaks just enough of its protocol."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from serving import LIMIT, Skip


def program():
    path = shutil.which('nats-server', path=os.environ['PATH'] + ':/usr/sbin:/usr/local/sbin')
    if not path:
        raise Skip('there is no nats-server here')
    return path


def until(condition, what='it does not come', limit=LIMIT):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Server:
    """With JetStream, on a port of loopback that it keeps over its restarts. Killed at the end of
    its `with`."""

    context = None  # of TLS

    def __init__(self, **limits):
        self.program = program()
        self.directory = tempfile.TemporaryDirectory()
        self.process, self.port = None, -1
        self.config = os.path.join(self.directory.name, 'config')
        with open(self.config, 'w', encoding='utf-8') as file:
            for name, value in limits.items():
                file.write(f'{name}: {value}\n')

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.directory.cleanup()

    def start(self):
        path = self.directory.name
        self.process = subprocess.Popen(
            [self.program, '-c', self.config, '-a', '127.0.0.1', '-p', str(self.port), '-js', '-sd',
             path, '--ports_file_dir', path, '-l', os.path.join(path, 'log')],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.port < 0:
            ports = os.path.join(path, f'{os.path.basename(self.program)}_{self.process.pid}.ports')
            until(lambda: self.read_port(ports), 'the server has no port')
        until(self.is_there, 'the server does not listen')

    def read_port(self, path):
        assert self.process.poll() is None, 'the server has ended'
        try:
            with open(path, encoding='utf-8') as file:
                self.port = int(json.load(file)['nats'][0].rsplit(':', 1)[1])
        except (OSError, ValueError):
            return False
        return True

    def is_there(self):
        assert self.process.poll() is None, 'the server has ended'
        try:
            with Client(self) as client:
                return 'error' not in client.ask('$JS.API.INFO')
        except (OSError, ValueError):
            return False

    def kill(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(LIMIT)

    def restart(self):
        self.kill()
        self.start()

    @property
    def url(self):
        return f'nats://127.0.0.1:{self.port}'

    def stream(self, name):
        with Client(self) as client:
            return client.ask('$JS.API.STREAM.INFO.' + name)

    def consumer(self, stream, name):
        with Client(self) as client:
            return client.ask(f'$JS.API.CONSUMER.INFO.{stream}.{name}')


class Certificate:
    """For 127.0.0.1, signed by itself."""

    def __init__(self, directory, name):
        openssl = shutil.which('openssl')
        if not openssl:
            raise Skip('there is no openssl here')
        self.path, self.key = (os.path.join(directory, name + end) for end in ('.pem', '.key'))
        subprocess.run([openssl, 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
                        '/CN=' + name, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout',
                        self.key, '-out', self.path], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


class SecureServer(Server):
    """Its clients speak TLS, and trust its certificate."""

    def __init__(self):
        super().__init__()
        self.certificate = Certificate(self.directory.name, 'server')
        with open(self.config, 'a', encoding='utf-8') as file:
            file.write(f'tls {{ cert_file: "{self.certificate.path}", '
                       f'key_file: "{self.certificate.key}" }}\n')
        self.context = ssl.create_default_context(cafile=self.certificate.path)

    @property
    def url(self):
        return f'tls://127.0.0.1:{self.port}'


class Client:
    """One connection."""

    def __init__(self, server):
        self.socket = socket.create_connection(('127.0.0.1', server.port), LIMIT)
        if server.context:
            while b'\n' not in self.socket.recv(4096):
                continue
            self.socket = server.context.wrap_socket(self.socket, server_hostname='127.0.0.1')
        self.file = self.socket.makefile('rb')
        if not server.context:
            self.file.readline()
        self.send('CONNECT {"verbose": false, "headers": true, "no_responders": true}\r\nPING\r\n')
        if self.file.readline() != b'PONG\r\n':
            raise OSError('no PONG')
        self.send('SUB _reply 1\r\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode())

    def subscribe(self, subject):
        self.send(f'SUB {subject} 2\r\n')
        self.flush()

    def flush(self):
        self.send('PING\r\n')
        while self.file.readline() != b'PONG\r\n':
            continue

    def publish(self, subject, data, reply=''):
        self.send(f'PUB {subject} {reply} {len(data)}\r\n{data}\r\n')

    def message(self):
        """The data of the next message."""
        while True:
            line = self.file.readline()
            if not line:
                raise OSError('the server has closed')
            words = line.split()
            if words[0] == b'PING':
                self.send('PONG\r\n')
            elif words[0] in (b'MSG', b'HMSG'):
                data = self.file.read(int(words[-1]) + 2)[:-2]
                return data[int(words[-2]) if words[0] == b'HMSG' else 0:].decode()

    def ask(self, subject, data=''):
        """The answer, which is JSON."""
        self.publish(subject, data, '_reply')
        return json.loads(self.message())
