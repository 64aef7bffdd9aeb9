"""The completions of the shells: each shell runs its own and is asked what comes next."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import time

from regions import PREFIX, path_of, remove
from serving import HEALD, LIMIT, Skip, heald

DIRECTORY = os.path.join(os.environ['HEALD_SOURCE_DIR'], 'completions')
OPTION = re.compile(r'^  (?:-(\w), |    )(--[\w-]+)', re.M)
NAME = PREFIX + '-complete'

BASH = r'''
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
read -ra COMP_WORDS <<<"$2"
[[ $2 == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_heald
printf '%s\n' "${COMPREPLY[@]}"
'''

ZSH = r'''PS1= LISTMAX=10000
show() {{ zle -I; print -r -- "<""<$BUFFER>>"; BUFFER= }}
zle -N show; bindkey '^T' show
fpath=({directory} $fpath); autoload -U compinit; compinit -u -D
'''


def environment(**env):
    """Where `heald` is the command under test."""
    path = os.path.dirname(HEALD) + os.pathsep + os.environ['PATH']
    return {**os.environ, 'PATH': path, 'INPUTRC': '/dev/null', **env}


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment(), stdin=subprocess.DEVNULL, timeout=LIMIT, check=False)
    assert result.returncode == 0 and not result.stderr, result
    return result.stdout.splitlines()


def in_bash(line):
    return run('bash', '--norc', '-c', BASH, 'bash', os.path.join(DIRECTORY, 'heald.bash'), line)


def in_fish(line):
    program = 'source $argv[1]; complete -C $argv[2]'
    rows = run('fish', '--no-config', '-c', program, os.path.join(DIRECTORY, 'heald.fish'), line)
    return [row.split('\t')[0] for row in rows]


class Zsh:
    """An interactive zsh in a terminal, which completes only there."""

    def __init__(self):
        self.directory = tempfile.mkdtemp()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 200, 200, 0, 0))
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            ['zsh', '-f', '-i'], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            cwd=self.directory, env=environment(TERM='xterm', ZDOTDIR=self.directory))
        os.close(slave)
        os.write(self.master, ZSH.format(directory=DIRECTORY).encode())
        self.type('')

    def __enter__(self):
        return self

    def type(self, text):
        """What the terminal shows, and the line as it is then: ^T prints and empties it."""
        os.write(self.master, b'\x14' + text.encode() + b'\x14')
        shown, found, limit = '', None, time.monotonic() + LIMIT
        while not found:
            ready, _, _ = select.select([self.master], [], [], max(0, limit - time.monotonic()))
            assert ready, f'zsh does not answer: {shown!r}'
            shown += os.read(self.master, 65536).decode('utf-8', 'replace')
            clean = re.sub(r'\x1b[\[(]?[\d;?]*[\w=>]|[\x00\x07]', '', shown)
            found = re.search(r'^<<>>\r$(.*)^<<([^<]*)>>\r$', clean, re.M | re.S)
        return found[1], found[2]

    def complete(self, line):
        shown, typed = self.type(line + '\t')
        if typed != line:
            return typed.split()[-1:]
        # Below the line the list; and then the line once more.
        below = shown[shown.index(line + '\r\r\n') + len(line):].replace('\r' + line + '\r', '')
        return ' '.join(row.split(' -- ')[0] for row in below.splitlines()).split()

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        shutil.rmtree(self.directory)


def options_of(*command):
    rows = OPTION.findall(heald(*command, '--help').stdout)
    return {'-' + letter for letter, _ in rows if letter} | {name for _, name in rows}


def commands():
    text = heald('--help').stdout
    return re.findall(r'^  ([a-z]+) ', text[:text.index('\noptions:')], re.M)


def check_words(complete):
    """Each command and each option of --help is offered, and nothing else."""
    names = commands()
    assert len(names) > 5 and set(complete('heald l')) == {n for n in names if n[0] == 'l'}
    assert set(names) <= set(complete('heald ')), complete('heald ')
    assert options_of() == set(complete('heald -')), complete('heald -')
    for name in names:
        offered = complete(f'heald {name} -')
        assert set(offered) == options_of(name), (name, offered)


def check_values(complete):
    """The values of options, and arguments."""
    prefix = NAME[:-3]
    for line, words in (
            (f'heald ls {prefix}', [NAME]), (f'heald ls -j {prefix}', [NAME]),
            (f'heald locks --watch 1 {prefix}', [NAME]), (f'heald gc {prefix}', [NAME]),
            (f'heald lock -nw 1 {prefix}', [NAME]), (f'heald repair {NAME} l', ['lock']),
            ('heald serve --backend sel', ['select']), ('heald serve --engine=sy', ['sync']),
            ('heald help back', ['backends']), ('heald serve -o /dev/nul', ['/dev/null']),
            ('heald serve /dev/sh', ['/dev/shm']),
            (f'heald lock {NAME} heal', ['heald']), (f'heald sem {NAME} 3 heal', ['heald']),
            ('heald aio -- heal', ['heald']), ('heald aio cat /dev/nul', ['/dev/null']),
            (f'heald lock -w 1 {NAME} cat /dev/nul', ['/dev/null']), ('heald sem /x ', [])):
        offered = [word.rstrip('/') for word in complete(line) if word]
        offered = [re.sub('^--engine=', '', word) for word in offered]
        assert set(offered) & set(words) == set(words) and (words or not offered), (line, offered)


def check_hostile_names(complete):
    """A name is anybody's text: no shell runs it, or expands it."""
    names = [f'{NAME}$(touch${{IFS}}ran)', f'{NAME}`touch${{IFS}}ran`', f'{NAME}*', f'{NAME};ran']
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            for name in names:
                assert heald('lock', name, 'true').returncode == 0
            for line in ('locks', 'repair', 'gc'):
                offered = complete(f'heald {line} {NAME}')
                assert not os.listdir(directory), os.listdir(directory)
                assert not any(word.startswith('/bin') for word in offered), offered
        finally:
            os.chdir(before)
            for name in names:
                remove(name)


def check(complete):
    try:
        assert heald('lock', NAME, 'true').returncode == 0 and os.path.exists(path_of(NAME))
        check_words(complete)
        check_values(complete)
        check_hostile_names(complete)
    finally:
        remove(NAME)


def need(shell):
    if not shutil.which(shell):
        raise Skip(f'there is no {shell} here')


def bash_completes():
    need('bash')
    check(in_bash)


def bash_quotes_names():
    need('bash')
    name = NAME + '$(true)'
    try:
        assert heald('lock', name, 'true').returncode == 0
        assert in_bash(f'heald locks {NAME}') == [name.translate({ord(c): '\\' + c for c in '$()'})]
    finally:
        remove(name)


def fish_completes():
    need('fish')
    check(in_fish)


def zsh_completes():
    need('zsh')
    with Zsh() as zsh:
        check(zsh.complete)


CASES = (bash_completes, bash_quotes_names, fish_completes, zsh_completes)
