"""heald top: rates as tables, as JSON, and on a terminal, which it leaves as it was."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from regions import PREFIX, end, remove, start, until
from schema import Schema
from serving import HEALD, LIMIT, heald
from topics import case, stop
from topics import NAME as TOPIC

NAME = PREFIX + '-\x1b[2Jtop'
SHOWN = PREFIX + '-?[2Jtop'
RESTORED = '\x1b[?7h\x1b[?25h\x1b[?1049l'


class Screen:
    """heald top on a terminal of its own."""

    def __init__(self, *args):
        self.master, self.slave = pty.openpty()
        self.resize(24, 100)
        self.before = termios.tcgetattr(self.slave)
        self.shown = ''
        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            [HEALD, 'top', *args], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, env={**os.environ, 'TERM': 'xterm'},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def wait_for(self, pattern):
        """Until what was shown since the last call has it."""
        limit = time.monotonic() + LIMIT
        while not re.search(pattern, self.shown, re.S):
            ready, _, _ = select.select([self.master], [], [], max(0, limit - time.monotonic()))
            assert ready, f'{pattern!r} is not in {self.shown!r}'
            self.shown += os.read(self.master, 65536).decode()
        shown, self.shown = self.shown, ''
        return shown

    def end(self):
        """The exit status, after the terminal was left as it was."""
        self.wait_for(re.escape(RESTORED))
        code = self.process.wait(LIMIT)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.slave)
        os.close(self.master)
        return code


def with_queue(function):
    def run():
        try:
            assert heald('send', NAME, 'x').returncode == 0
            function()
        finally:
            remove(NAME)
    run.__name__ = function.__name__
    return run


@with_queue
def a_table_each_time():
    result = heald('top', '-i', '0.05', '-N', '2', NAME)
    row = re.escape(SHOWN) + r':queue  queue +0 +0 +1 +64'
    want = rf'NAME +TYPE +MSG/S[^\n]*\n{row}\n\nNAME[^\n]*\n{row}\n'
    assert result.returncode == 0 and re.fullmatch(want, result.stdout), result
    assert heald('top', '-N', '1', '-i', '0.01').returncode == 0
    for args in (('--interval', '0'), ('-N', '0'), (PREFIX + '-none',), ('--jsno',)):
        result = heald('top', *args)
        assert result.returncode == 2 and result.stderr.count('\n') == 1, (args, result)
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'wb') as full:
            result = subprocess.run([HEALD, 'top', '-i', '0.01'], stdout=full, check=False,
                                    stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        assert result.returncode == 2 and 'no space left' in result.stderr, result


@case
def rates_in_json():
    page = Schema('heald-top.1')
    assert heald('send', TOPIC, 'x').returncode == 0
    assert heald('reply', '-w', '0.01', TOPIC, 'true').returncode == 1
    subscriber = start('sub', TOPIC)
    assert heald('pub', '--wait', TOPIC, 'x').returncode == 0
    stop(subscriber)
    top = start('top', '--json', '-i', '0.05', TOPIC)
    sent = 0
    try:
        while True:
            look = json.loads(top.stdout.readline())
            page.check(look)
            rows = {row['type']: row for row in look['objects']}
            topic = rows['topic']
            if sent and topic['sent_rate'] and 'slowest' in topic:
                break
            assert heald('pub', TOPIC, 'x', 'x').returncode == 0
            sent += 2
    finally:
        for process in (top, subscriber):
            process.kill()
            end(process)
    assert look['objects'][0] is topic and len(rows) == 3, look
    assert topic['slowest'] == subscriber.pid, look
    assert topic['stopped'] == [subscriber.pid] * os.path.exists('/proc/self/stat'), look
    missing = [path for path in page.unseen() if path != 'objects[].stopped[]']
    assert not missing, missing


@with_queue
def a_screen_ends_with_q():
    screen = Screen('-i', '0.05', NAME)
    shown = screen.wait_for(r'queue  queue +- .*queue  queue +0 ')
    assert shown.startswith('\x1b[?1049h') and SHOWN in shown and NAME not in shown, shown
    assert not termios.tcgetattr(screen.slave)[3] & (termios.ECHO | termios.ICANON)
    os.write(screen.master, b'xyq')
    assert screen.end() == 0


@with_queue
def a_screen_is_resized():
    assert heald('send', NAME + ':other', 'x').returncode == 0
    screen = Screen('-i', '1000', NAME)
    screen.wait_for('other .*queue .*\n')
    screen.resize(5, 60)
    shown = screen.wait_for(r'\x1b\[J.*other .*\n')
    assert ':queue' not in shown, shown
    screen.resize(24, 60)
    screen.wait_for(r'\x1b\[J.*other .*queue .*\n')
    os.write(screen.master, b'\x03')
    assert screen.end() == 0


@with_queue
def a_screen_is_tiny():
    """No more lines than there are, and the last of them is not ended."""
    assert heald('send', NAME + ':other', 'x').returncode == 0
    screen = Screen('-i', '1000', NAME)
    screen.wait_for('other .*queue .*\n')
    for rows, ends in ((6, 5), (5, 4), (4, 3), (3, 2), (2, 0), (1, 0)):
        screen.resize(rows, 60)
        shown = screen.wait_for(r'\x1b\[H\x1b\[J' + (r'.*other [^\n]*\n' if ends else '.*q ends'))
        drawn = shown[shown.rindex('\x1b[J'):]
        assert drawn.count('\n') == ends, (rows, drawn)
    os.write(screen.master, b'\x03')
    assert screen.end() == 0


@with_queue
def a_screen_ends_by_a_signal():
    screen = Screen(NAME)
    screen.wait_for('queue')
    screen.process.send_signal(signal.SIGTERM)
    assert screen.end() == 128 + signal.SIGTERM


@with_queue
def a_region_goes_away_meanwhile():
    screen = Screen('-i', '0.05', NAME)
    screen.wait_for('queue')
    remove(NAME)
    limit = re.escape(RESTORED) + '.*no such file'
    shown = screen.wait_for(limit)
    assert 'heald top: ' + SHOWN in shown[shown.index(RESTORED):], shown
    assert screen.process.wait(LIMIT) == 2
    os.close(screen.slave)
    os.close(screen.master)


@with_queue
def top_after_a_stop():
    """One that was stopped goes on, and ends when its output is closed."""
    top = start('top', '-i', '0.05', NAME)
    assert top.stdout.readline().startswith('NAME')
    stop(top)
    top.send_signal(signal.SIGCONT)
    assert 'queue' in top.stdout.readline()
    top.stdout.close()
    until(lambda: top.poll() is not None)
    assert top.returncode == -signal.SIGPIPE
    top.stderr.close()


CASES = (a_table_each_time, rates_in_json, a_screen_ends_with_q, a_screen_is_resized,
         a_screen_is_tiny, a_screen_ends_by_a_signal, a_region_goes_away_meanwhile,
         top_after_a_stop)
