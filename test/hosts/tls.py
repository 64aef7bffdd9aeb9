"""TLS as a filter of a stream: examples tls-echo and tls-fetch, against OpenSSL and Python."""

import os
import select
import socket
import ssl
import subprocess
import tempfile
import threading

from hosting import LIMIT, SLOW, Example, Failure, expect, run, tool, until

PEER_GONE = 'connection reset by peer'


class Site:
    """A directory with a certificate, which vouches for itself, and the sockets."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.certificate, self.key, self.path = (os.path.join(self.directory.name, name)
                                                 for name in ('certificate', 'key', 'socket'))
        made = subprocess.run(
            [tool('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
             'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
             '-addext', 'subjectAltName=DNS:localhost', '-keyout', self.key,
             '-out', self.certificate], stderr=subprocess.PIPE, text=True, check=False)
        expect(made.returncode == 0, made.stderr)
        self.client = ssl.create_default_context(cafile=self.certificate)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(self.certificate, self.key)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def echo(self, env, idle_ms=60000):
        example = Example('tls-echo', env, 'unix:' + self.path, self.certificate, self.key,
                          str(idle_ms))
        until(lambda: os.path.exists(self.path) or example.process.poll() is not None,
              'does not listen')
        return example

    def connect(self):
        """Without TLS."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LIMIT)
        until(lambda: sock.connect_ex(self.path) == 0, 'does not listen')
        return sock

    def talk(self):
        return self.client.wrap_socket(self.connect(), server_hostname='localhost')


def pump(sock, data, reads=True):
    """Sends the data and reads as much at the same time, from one thread: neither OpenSSL nor
    Python allows two. Without `reads` until nothing more can be sent; returns what was."""
    sock.setblocking(False)
    sent, got = 0, bytearray()
    while len(got) < len(data):
        wants = [[], []]
        if sent < len(data):
            try:
                sent += sock.send(data[sent:sent + 65536])
            except ssl.SSLWantWriteError:
                wants[1] = [sock]
            except ssl.SSLWantReadError:
                pass
        try:
            while reads and len(got) < len(data) and (part := sock.recv(65536)):
                got += part
        except ssl.SSLWantReadError:
            wants[0] = [sock]
        if len(got) == len(data) or (reads and sent < len(data) and not wants[1]):
            continue
        if reads:
            expect(any(select.select(*wants, [], LIMIT)), f'stuck at {sent}, {len(got)}')
        elif wants[1] and not select.select([], [sock], [], 0.3)[1]:
            break
    sock.settimeout(LIMIT)
    return bytes(got) if reads else sent


def echoes(sock, data):
    expect(pump(sock, data) == data, 'came back changed')


def check_echo(env):
    """Many bytes, small frames, both versions, a close with its notice."""
    with Site() as site, site.echo(env) as echo:
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            site.client.maximum_version = version
            with site.talk() as sock, site.talk() as other:
                echoes(sock, os.urandom(1 << 20))
                for i in range(300):
                    sock.sendall(b'%05d' % i)
                    expect(sock.recv(5) == b'%05d' % i, 'a frame came back changed')
                echoes(other, b'x')
                sock.unwrap().close()  # waits for the notice of the other side
        expect(echo.process.poll() is None, 'ended')


def check_s_client(env):
    with Site() as site, site.echo(env):
        client = subprocess.Popen(
            [tool('openssl'), 's_client', '-unix', site.path, '-CAfile', site.certificate,
             '-verify_return_error', '-verify_hostname', 'localhost', '-quiet', '-no_ign_eof'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        client.stdin.write(b'hello\n')
        client.stdin.flush()
        expect(client.stdout.readline() == b'hello\n', 'not what was said')
        _, err = client.communicate(timeout=LIMIT)
        expect(client.returncode == 0, f'{client.returncode} {err!r}')


def check_enemies(env):
    """Garbage instead of a handshake and behind it, a cut connection, a stop in the handshake."""
    with Site() as site:
        with site.echo(env) as echo:
            with site.connect() as sock:
                sock.sendall(b'GET / HTTP/1.1\r\n\r\n')
                echo.says('http request')
                expect(sock.recv(1) == b'', 'no end')
            with site.connect() as sock:
                sock.sendall(b'\x16\x03\x01\x00\x04\x02\x00\x00\x00')
                echo.says('unexpected message')
                expect(sock.recv(100)[:1] == b'\x15', 'no alert')
                expect(sock.recv(1) == b'', 'no end')
            with site.talk() as sock:
                echoes(sock, b'x')
                raw = socket.socket(fileno=os.dup(sock.fileno()))
                raw.sendall(b'\x17\x03\x03\x00\x20' + b'x' * 32)
                expect(echo.line().strip() in ('bad record mac',
                                               'decryption failed or bad record mac'),
                       'no bad record')
                raw.close()
            with site.talk() as sock:
                echoes(sock, b'x')
                socket.socket(fileno=os.dup(sock.fileno())).shutdown(socket.SHUT_RDWR)
                echo.says(PEER_GONE)
            with site.connect():
                pass
            echo.says(PEER_GONE)
            with site.talk() as sock:
                echoes(sock, b'still there')
        os.unlink(site.path)
        with site.echo(env, 100) as echo, site.connect() as sock:
            sock.sendall(b'\x16\x03\x01\x02\x00\x01\x00')
            echo.says('deadline has passed')
            expect(sock.recv(1) == b'', 'no end')


def resident(pid):
    """Bytes of memory."""
    with open(f'/proc/{pid}/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def check_back_pressure(env):
    """A client that does not read is not read from."""
    data = os.urandom(1 << 20) * 32
    with Site() as site, site.echo(env) as echo, site.talk() as sock:
        echoes(sock, b'x')
        before = resident(echo.process.pid)
        sent = pump(sock, data, reads=False)
        expect(sent < len(data), 'took everything')
        grown = resident(echo.process.pid) - before
        expect(grown < 8 << 20 or SLOW > 1, f'grew by {grown}')  # a sanitizer keeps what is free
        got = 0
        while got < sent:
            part = sock.recv(65536)
            expect(part and part == data[got:got + len(part)], f'lost at {got}')
            got += len(part)
        echoes(sock, data[sent:sent + 65536])  # what could not be sent


def answer(listener, context, text, is_cut, got):
    """A server in Python: reads one text, answers, and ends."""
    sock, _ = listener.accept()
    sock.settimeout(LIMIT)
    try:
        with context.wrap_socket(sock, server_side=True) as secure:
            while len(got) < 6:
                got += secure.recv(100)
            secure.sendall(text)
            if not is_cut:
                secure.unwrap()
    except OSError:
        pass


def fetch(env, site, is_cut=False, host='localhost'):
    got = bytearray()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(LIMIT)
        port = str(listener.getsockname()[1])
        server = threading.Thread(
            target=answer, args=(listener, site.server, b'the answer', is_cut, got))
        server.start()
        out, err, status = run('tls-fetch', env, host, port, site.certificate, 'a text')
        server.join()
    return out, err, status, bytes(got)


def check_fetch(env):
    """A client: what it writes waits for the handshake. Its half-close is no end of reading."""
    with Site() as site:
        out = fetch(env, site)
        expect(out == ('the answer', 'TLSv1.3\n', 0, b'a text'), repr(out))
        out, err, status, _ = fetch(env, site, is_cut=True)
        expect(status == 1 and err == f'TLSv1.3\ntls-fetch: {PEER_GONE}\n', f'{err!r}')
        _, err, status, got = fetch(env, site, host='127.0.0.1')
        expect(status == 1 and 'certificate verify failed' in err and not got, f'{err!r}')


def check_both(env):
    """Both sides are heald's, and the client half-closes before it has read anything."""
    text = 'x' * 100000
    with Site() as site, socket.create_server(('127.0.0.1', 0)) as found:
        port = found.getsockname()[1]
        found.close()
        site.path = f'127.0.0.1:{port}'
        with Example('tls-echo', env, site.path, site.certificate, site.key) as echo:
            def listens():
                try:
                    socket.create_connection(('127.0.0.1', port)).close()
                    return True
                except ConnectionRefusedError:
                    return False
            until(listens, 'does not listen')
            echo.says(PEER_GONE)
            out, err, status = run('tls-fetch', env, 'localhost', str(port), site.certificate,
                                   text)
            expect((out, status) == (text, 0), f'{len(out)}, {err!r}, {status}')
            if echo.process.poll() is not None:
                raise Failure('ended')


EXAMPLES = ['tls-echo', 'tls-fetch']
CASES = {'echo': check_echo, 's-client': check_s_client, 'enemies': check_enemies,
         'back-pressure': check_back_pressure, 'fetch': check_fetch, 'both': check_both}
