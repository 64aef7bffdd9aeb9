"""libcurl in a loop: example curl."""

import http.server
import socket
import threading

from hosting import expect, run_well

SIZES = [0, 1, 1000, 100000, 3000000]


class Handler(http.server.BaseHTTPRequestHandler):
    """/N: N bytes; the connection is kept."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        size = int(self.path[1:])
        self.send_response(200)
        self.send_header('Content-Length', str(size))
        self.end_headers()
        self.wfile.write(b'x' * size)

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    """Loses no connection, which would be tried again after a second."""
    request_queue_size = 128
    daemon_threads = True


class Server:
    """An HTTP server on a thread; one that accepts nothing; one that cuts connections."""

    def __enter__(self):
        self.http = Listener(('127.0.0.1', 0), Handler)
        self.hole = socket.create_server(('127.0.0.1', 0))
        self.cutter = socket.create_server(('127.0.0.1', 0))
        self.threads = [threading.Thread(target=self.http.serve_forever, args=(0.01,)),
                        threading.Thread(target=self.cut)]
        for thread in self.threads:
            thread.start()
        return self

    def cut(self):
        """Answers half, until the first that says nothing."""
        while True:
            sock, _ = self.cutter.accept()
            with sock:
                if not sock.recv(1000):
                    return
                sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n' + b'x' * 10)

    def __exit__(self, *_):
        self.http.shutdown()
        socket.create_connection(self.cutter.getsockname()).close()
        for thread in self.threads:
            thread.join()
        for server in self.hole, self.cutter, self.http.socket:
            server.close()

    def url(self, size, name='http'):
        server = {'http': self.http.socket, 'hole': self.hole, 'cutter': self.cutter}[name]
        return f'http://127.0.0.1:{server.getsockname()[1]}/{size}'


def check_many(env):
    """Several sizes, and the same again, all at once."""
    with Server() as server:
        urls = [server.url(size) for size in SIZES * 8]
        out = run_well('curl', env, '60', *urls)
        expected = sorted(f'{server.url(size)}: {size} bytes, No error' for size in SIZES * 8)
        expect(sorted(out.splitlines()) == expected, out)


def check_failures(env):
    """Nobody listens; the connection is cut; nothing is answered, and the transfer cancelled."""
    with Server() as server, socket.create_server(('127.0.0.1', 0)) as nobody:
        port = nobody.getsockname()[1]
        nobody.close()
        refused, hole = f'http://127.0.0.1:{port}/', server.url(0, 'hole')
        cut, file = server.url(1, 'cutter'), 'file:///dev/null'
        out = run_well('curl', env, '0.5', refused, hole, cut, server.url(1000), hole, file, 'x:')
        for line in (f'{refused}: 0 bytes, Couldn\'t connect to server',
                     f'{cut}: 10 bytes, Transferred a partial file',
                     f'{hole}: cancelled after 0 bytes\n{hole}: cancelled after 0 bytes',
                     f'{server.url(1000)}: 1000 bytes, No error',
                     f'{file}: 0 bytes, No error', 'x:: 0 bytes, '):
            expect(line in out, f'not {line!r} in {out!r}')


EXAMPLES = ['curl']
CASES = {'many': check_many, 'failures': check_failures}
