"""The checks of the examples whose processes send messages to each other, and use no loop."""

import os
import signal
import subprocess
import tempfile

from helpers import expect, finish, read_line, remove, run, run_well, start


def _writer(env, how, name):
    return start('logger', env, how, name, 'write', stdin=subprocess.PIPE)


def _write(env, how, name, text):
    """A writer that has ended."""
    writer = _writer(env, how, name)
    writer.stdin.write(text)
    writer.stdin.close()
    writer.stdin = None
    _, err, status = finish(writer)
    expect(status == 0 and not err, f'{status}, {err!r}')


def _check_many_writers(env, name, path):
    """One is killed, the others end; then the reader does. No line is lost."""
    reader = start('logger', env, 'wait', name, 'read', path)
    writers = [_writer(env, 'wait', name) for _ in range(4)]
    for i, writer in enumerate(writers):
        writer.stdin.write(b''.join(b'%d %d\n' % (i, n) for n in range(100)))
        writer.stdin.flush()
    wanted = {f'{i} {n}' for i in range(4) for n in range(100)}
    while True:  # until all is written, so all have joined
        with open(path, encoding='ascii') as file:
            lines = file.read().splitlines()
        if wanted <= set(lines):
            break
        expect(reader.poll() is None, f'the reader ended after {len(lines)} lines')
    for i in range(4):
        own = [line for line in lines if line.startswith(f'{i} ')]
        expect(own == [f'{i} {n}' for n in range(100)], f'the lines of one writer: {own}')
    writers.pop().kill()
    expect(reader.poll() is None, 'the reader ended before the last writer')
    for writer in writers:
        writer.communicate()
    out, err, status = finish(reader)
    expect(status == 0 and not out and not err, f'{status}, {out!r}, {err!r}')


def check_logger(env):
    """A region each for one way to write, as the options of the queue differ."""
    wait, drop = f'/heald-logger-{os.getpid()}', f'/heald-logger-drop-{os.getpid()}'
    try:
        with tempfile.NamedTemporaryFile() as file:
            _check_many_writers(env, wait, file.name)
        _write(env, 'wait', wait, b'one\ntwo\n!now\n')
        out = run_well('logger', env, 'wait', wait, 'read')
        expect(out == '!now\none\ntwo\n', f'printed {out!r}')
        _write(env, 'drop', drop, b''.join(b'%d\n' % n for n in range(100)))
        out, err, status = run('logger', env, 'drop', drop, 'read')
        expect(status == 0 and out == b''.join(b'%d\n' % n for n in range(36, 100)), f'{out!r}')
        expect(err == 'logger: 36 lines were dropped\n', f'{err!r}')
        out, err, status = run('logger', env, 'wait', drop, 'read')
        expect(status == 1 and err.startswith('logger: '), f'{status}, {err!r}')
        expect('usage' in run('logger', env, 'else', drop, 'read')[1], 'no usage')
    finally:
        remove(wait)
        remove(drop)


def _serves(env, name, servers, count):
    """Calls, and from which of these servers the replies came."""
    texts = [f'text {n}' for n in range(count)]
    lines = run_well('service', env, 'call', name, '20000', *texts).splitlines()
    got = [line.split(': ', 1) for line in lines]
    expect([text for _, text in got] == [text.upper() for text in texts], f'{lines}')
    pids = {int(pid) for pid, _ in got}
    expect(pids <= {server.pid for server in servers}, f'{pids}')
    return pids


def check_service(env):
    """Two servers; one is killed while a client calls, the other one goes on."""
    name = f'/heald-service-{os.getpid()}'
    servers = []
    try:
        out, err, status = run('service', env, 'call', name, '1', 'early')
        expect(status == 1 and not out and 'early was not begun' in err, f'{status}, {err!r}')
        servers = [start('service', env, 'serve', name)]
        _serves(env, name, servers, 3)
        servers.append(start('service', env, 'serve', name))
        client = start('service', env, 'call', name, '20000', *['again'] * 1000)
        read_line(client)
        servers[0].send_signal(signal.SIGKILL)
        out, err, status = finish(client)
        expect(status == 0 and not err and out.count(b': AGAIN') == 999, f'{status}, {err!r}')
        servers.pop(0).communicate()
        expect(_serves(env, name, servers, 3) == {servers[0].pid}, 'another server replied')
        run_well('service', env, 'end', name)
        out, err, status = finish(servers[0])
        expect(status == 0 and not err, f'{status}, {err!r}')
        expect(run('service', env, 'call', name, '1', 'late')[2] == 1, 'a call of what has ended')
    finally:
        for server in servers:
            server.kill()
            server.communicate()
        remove(name)
