"""c-ares in a loop: example dns, against a small server."""

import socket
import struct
import threading

from hosting import expect, run_well


def reply(query, is_udp):
    """The answer to a question for an address: by the first part of its name."""
    at = 12
    labels = []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    question = query[12:at + 5]
    if labels[0] == 'silent':
        return None
    if labels[0] == 'unknown':
        return query[:2] + b'\x81\x83\0\1\0\0\0\0\0\0' + question
    if labels[0] == 'long' and is_udp:  # is asked for again by TCP
        return query[:2] + b'\x83\x80\0\1\0\0\0\0\0\0' + question
    record = b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4' + bytes([10, 0, 0, int(labels[1])])
    return query[:2] + b'\x81\x80\0\1\0\1\0\0\0\0' + question + record


class Server:
    """UDP and TCP on the same port, a thread each. An empty datagram ends it."""

    def __enter__(self):
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            self.udp.bind(('127.0.0.1', 0))
            try:
                self.tcp = socket.create_server(self.udp.getsockname())
                break
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = self.udp.getsockname()
        self.threads = [threading.Thread(target=fn) for fn in (self.datagrams, self.streams)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b'', self.address)
        socket.create_connection(self.address).close()
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()

    def datagrams(self):
        while True:
            query, sender = self.udp.recvfrom(1000)
            if not query:
                return
            if answer := reply(query, True):
                self.udp.sendto(answer, sender)

    def streams(self):
        """One connection after the other, until one that says nothing."""
        while True:
            sock, _ = self.tcp.accept()
            with sock, sock.makefile('rwb') as file:
                count = 0
                while len(head := file.read(2)) == 2:
                    answer = reply(file.read(struct.unpack('!H', head)[0]), False)
                    file.write(struct.pack('!H', len(answer)) + answer)
                    file.flush()
                    count += 1
                if not count:
                    return

    def name(self):
        return f'{self.address[0]}:{self.address[1]}'


def check_many(env):
    """More than fit into one turn, by UDP and by TCP."""
    with Server() as server:
        names = [f'a.{i}.{kind}.test.' for i in range(200) for kind in 'xy']
        out = run_well('dns', env, server.name(), *names, *(f'long.{i}.test.' for i in range(20)))
        expected = [f'{name} 10.0.0.{name.split(".")[1]}' for name in names]
        expected += [f'long.{i}.test. 10.0.0.{i}' for i in range(20)]
        expect(sorted(out.splitlines()) == sorted(expected), out)


def check_failures(env):
    """No such name, and a server that does not answer: the time-outs of c-ares run."""
    with Server() as server:
        out = run_well('dns', env, server.name(), 'unknown.test.', 'silent.test.', 'a.7.test.')
        expect(sorted(out.splitlines()) == [
            'a.7.test. 10.0.0.7', 'silent.test.: Timeout while contacting DNS servers',
            'unknown.test.: Domain name not found'], out)
    gone = server.name()
    out = run_well('dns', env, gone, 'a.1.test.', 'a.2.test.')
    expect(out.count('Could not contact DNS servers') == 2, out)


def check_second_server(env):
    """The first is gone, the second answers: the socket of the first is closed in the middle."""
    with Server() as server:
        gone = server.name()
    with Server() as server:
        out = run_well('dns', env, f'{gone},{server.name()}',
                       *(f'a.{i}.test.' for i in range(50)))
        expect(len(out.splitlines()) == 50 and out.count(' 10.0.0.') == 50, out)


EXAMPLES = ['dns']
CASES = {'many': check_many, 'failures': check_failures, 'second-server': check_second_server}
