"""The command line of heald: options, help, suggestions, a closed standard output, the width of a
terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from regions import PREFIX, remove
from serving import HEALD, LIMIT, heald

COMMANDS = ('ls', 'top', 'locks', 'gc', 'repair', 'lock', 'sem', 'send', 'recv', 'pipe', 'pub',
            'sub', 'call', 'reply', 'bridge', 'aio', 'serve', 'backends', 'demo', 'help')


def refused(args, words):
    result = heald(*args)
    assert result.returncode == 2 and result.stdout == '', (args, result)
    assert result.stderr.startswith('heald') and result.stderr.count('\n') == 1, (args, result)
    assert words in result.stderr, (args, result)


def in_terminal(*args, columns=80, **env):
    """What a command prints to a terminal, without its own line ends."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items()
             if name not in ('COLUMNS', 'NO_COLOR', 'TERM')}
    text = b''
    with subprocess.Popen([HEALD, *args], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                          env={**clean, 'TERM': 'xterm', **env}) as process:
        os.close(slave)
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux: the other end has been closed
                break
            if not part:
                break
            text += part
        process.wait(LIMIT)
    os.close(master)
    return text.decode().replace('\r\n', '\n')


def misspelt_words_have_a_suggestion():
    for args, words in ((['lcoks'], "unknown command 'lcoks'; did you mean locks?"),
                        (['help', 'lss'], 'did you mean ls?'),
                        (['lo'], 'did you mean locks?'), (['se'], 'did you mean sem?'),
                        (['ls', '--help=1'], '--help 1: the option takes no value'),
                        (['serve', '--help='], '--help \'\': the option takes no value'),
                        (['ls', '--json='], '--json \'\': the option takes no value'),
                        (['--help=1'], '--help 1: the option takes no value'),
                        (['--version=1'], '--version 1: the option takes no value'),
                        (['--vers'], 'did you mean --version?'),
                        (['ls', '--jsno'], "unknown option '--jsno'; did you mean --json?"),
                        (['locks', '--dto'], 'did you mean --dot?'),
                        (['locks', '-json'], 'did you mean --json?'),
                        (['serve', '--max-conections=3', '.'], 'did you mean --max-connections?'),
                        (['serve', '--idle', '3', '.'], 'did you mean --idle-timeout?'),
                        (['ls', '--hepl'], 'did you mean --help?'),
                        (['repair', '--dry', '/x'], 'did you mean --dry-run?'),
                        (['ls', '--nonsense'], 'see heald ls --help'),
                        (['ls', '-x'], 'see heald ls --help'),
                        (['nonsense'], 'see heald --help'), (['--'], 'see heald --help'),
                        (['x' * 5000], 'see heald --help'),
                        (['ls', '--' + 'x' * 5000], 'see heald ls --help')):
        refused(args, words)


def messages_do_not_command_the_terminal():
    evil, name = '\x1b[2J\u009b\n', PREFIX + '-evil'
    try:
        for args in ((evil,), ('-' + evil,), ('help', evil), ('ls', evil), ('ls', '--' + evil),
                     ('ls', '-' + evil), ('ls', '/' + evil + '/'), ('gc', evil), ('repair', evil),
                     ('lock', '/' + evil + '/', 'x'), ('lock', '-w', evil, name, 'x'),
                     ('lock', name, '/' + evil), ('lock', f'--{evil}=1'), ('sem', name, evil, 'x'),
                     ('serve', '--listen', evil, '.'), ('serve', '-l', '0', evil),
                     ('serve', '--log', f'/{evil}/', '-l', '127.0.0.1:0', '.'),
                     ('serve', '--backend', evil, '.'), ('demo', evil), ('backends', evil),
                     ('aio', '--', evil), ('aio', '--library', evil, 'x')):
            result = heald(*args)
            assert result.returncode not in (0, 1) and result.stderr.endswith('\n'), (args, result)
            assert result.stderr[:-1].isprintable(), (args, result)
    finally:
        remove(name)


def empty_words_are_shown():
    name = PREFIX + '-empty'
    try:
        for args in (('',), ('help', ''), ('ls', ''), ('locks', ''), ('gc', ''), ('repair', ''),
                     ('lock', '', 'true'), ('lock', name, ''), ('lock', '-w', '', name, 'true'),
                     ('lock', '-E', '', name, 'true'), ('sem', name, '', 'true'), ('backends', ''),
                     ('serve', '-l', '0', ''), ('demo', ''), ('aio', '')):
            result = heald(*args)
            is_there = 'this build has no' not in result.stderr
            assert result.returncode not in (0, 1), (args, result)
            assert "''" in result.stderr or not is_there, (args, result)
    finally:
        remove(name)


def options_have_short_forms():
    assert heald('backends', '-j').stdout.startswith('{')
    assert heald('-V').stdout == heald('--version').stdout
    assert heald('-h').stdout == heald('--help').stdout == heald('help').stdout
    for args in (('lock', '-nqE75', '/x'), ('lock', '-nq', '-E75', '/x')):
        refused(args, 'a command is required')
    refused(('lock', '-nw', '0', '/x', 'true'), '-w 0: ')
    refused(('lock', '-w'), '-w: a value is required: SECONDS')
    refused(('serve', '-qp65536', '.'), '-p 65536: ')
    refused(('locks', '-j', '--dot'), 'mutually exclusive')
    refused(('help', '-j', '--plain'), 'mutually exclusive')


# Two names of what is one thing.
SAME = {'--max-connections': '--connections', '--no-log': '--quiet'}


def a_letter_has_one_meaning():
    """Over all commands."""
    meanings = {}
    for command in COMMANDS:
        text = heald(command, '--help').stdout
        for letter, name in re.findall(r'^ +-(\w), (--[\w-]+)', text, re.M):
            meanings.setdefault(letter, set()).add(SAME.get(name, name))
    assert {'j', 'n', 'w'} <= set(meanings), meanings
    several = {letter: names for letter, names in meanings.items() if len(names) > 1}
    assert not several, several


def help_is_one_text():
    assert all(len(line) <= 80 for line in heald('--help').stdout.splitlines())
    for name in COMMANDS:
        text = heald('help', name)
        assert text.returncode == 0 and text.stdout == heald(name, '-h').stdout, text
        assert text.stdout == heald(name, '--help').stdout, text
        assert text.stdout.startswith(f'usage: heald {name}'), text
        assert all(len(line) <= 80 for line in text.stdout.splitlines()), text
        assert f'  {name} ' in heald('--help').stdout
        letters = re.findall(r'^  -(.),', text.stdout, re.M)
        assert len(letters) == len(set(letters)), text


def help_fits_the_terminal():
    for columns in (40, 60):
        for line in in_terminal('serve', '--help', columns=columns).splitlines():
            assert len(line) <= columns or '--' in line, (columns, line)
    assert in_terminal('ls', '--help', columns=200) == heald('ls', '--help').stdout


def tables_are_aligned():
    text = heald('backends').stdout
    lines = text.splitlines()
    at = lines[0].index('DESCRIPTION')
    assert all(line[at - 1] == ' ' != line[at] for line in lines if len(line) > at), text
    assert not any(line.endswith(' ') for line in lines), text
    narrow = in_terminal('backends', columns=60).splitlines()
    assert all(len(line) <= 60 for line in narrow), narrow
    assert ' '.join(' '.join(narrow).split()) == ' '.join(text.split())
    assert in_terminal('backends', columns=60, COLUMNS='200') == text


def an_output_that_cannot_be_written_is_an_error():
    places = ['&-'] + ['/dev/full'] * os.path.exists('/dev/full')
    # Without a region ls and gc print nothing but JSON.
    for words in (('backends',), ('help',), ('ls', '--json'), ('gc', '--json')):
        for place in places:
            result = subprocess.run(['sh', '-c', f'"$0" "$@" >{place}', HEALD, *words],
                                    check=False, stderr=subprocess.PIPE, text=True)
            assert result.returncode == 2 and 'standard output' in result.stderr, (place, result)
    for words in (('locks', '--json', '--watch', '0.01'), ('help', '--json'), ('ls', '--json')):
        for place in places[1:]:
            result = subprocess.run(['sh', '-c', f'"$0" "$@" >{place}', HEALD, *words], text=True,
                                    check=False, stderr=subprocess.PIPE, timeout=LIMIT)
            assert result.returncode == 2, result
            assert result.stderr.endswith('output: no space left on device\n'), result


def no_control_sequences_without_a_terminal_for_them():
    args = ('locks', '--watch', '1', PREFIX + '-none')
    assert in_terminal(*args) == '\033[H\033[J' == in_terminal(*args, NO_COLOR='1')
    assert in_terminal(*args, TERM='dumb') == '' == in_terminal(*args, TERM='')


CASES = (misspelt_words_have_a_suggestion, messages_do_not_command_the_terminal,
         empty_words_are_shown, options_have_short_forms, a_letter_has_one_meaning,
         help_is_one_text, help_fits_the_terminal, tables_are_aligned,
         an_output_that_cannot_be_written_is_an_error,
         no_control_sequences_without_a_terminal_for_them)
