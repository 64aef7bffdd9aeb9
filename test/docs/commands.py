"""The command heald as its pages, its completions and its --help describe it: the same commands and
options everywhere."""

import os
import re
import subprocess

from report import BUILD, SOURCE, read

HEALD = os.path.join(BUILD, 'cmd', 'heald', 'heald')
OPTION = re.compile(r'^  (?:-(\w), |    )(--[\w-]+)(?: ([A-Z]+))?(?:\s|$)', re.M)
SECTIONS = ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'ENVIRONMENT', 'EXAMPLES',
            'SEE ALSO']


def print_help(*command):
    return subprocess.run([HEALD, *command, '--help'], stdout=subprocess.PIPE, check=True,
                          text=True).stdout


ABSENT = ' (not in this build)'


def commands():
    """{name: its summary}; without what this build leaves out, which says so and nothing more."""
    text = print_help()
    rows = re.findall(r'^  (\w+) +(\S.*(?:\n {10,}\S.*)*)', text[:text.index('\noptions:')], re.M)
    found = {name: ' '.join(summary.split()) for name, summary in rows}
    return {name: summary for name, summary in found.items() if not summary.endswith(ABSENT)}


def options(*command):
    """(letter, name, value) of each option of a command, or of heald itself: as --help has it."""
    return sorted(OPTION.findall(print_help(*command)))


def plain(line):
    """A line of a man page as it is shown."""
    line = re.sub(r'^\.[BIR]{1,2} ', '', line)
    words = re.findall(r'"([^"]*)"|(\S+)', line)
    text = ''.join(quoted or bare for quoted, bare in words)
    return re.sub(r'\\f[A-Z]', '', text).replace('\\-', '-')


def section(page, name):
    match = re.search(rf'^\.SH {name}\n(.*?)(?=^\.SH |\Z)', read(page), re.M | re.S)
    return match.group(1) if match else ''


def options_of_page(page):
    found = []
    for line in re.findall(r'^\.TP\n(\.[BIR]{1,2} .*)', section(page, 'OPTIONS'), re.M):
        match = re.fullmatch(r'(?:-(\w), )?(--[\w-]+)(?: ([A-Z]+))?', plain(line))
        if match:
            found.append(tuple(group or '' for group in match.groups()))
    return sorted(found)


def page_of(command):
    return f'man/heald-{command}.1'


def wrong_pages():
    errors = []
    for command, summary in commands().items():
        page = page_of(command)
        if not os.path.exists(os.path.join(SOURCE, page)):
            errors.append(f'there is no {page}')
            continue
        errors += [f'{page}: no section {name}' for name in SECTIONS if not section(page, name)]
        if f'heald\\-{command} \\- {summary}\n' not in section(page, 'NAME'):
            errors.append(f'{page}: its NAME is not "{summary}", as --help has it')
        if options(command) != options_of_page(page):
            differ = set(options(command)) ^ set(options_of_page(page))
            errors.append(f'{page}: its OPTIONS and --help differ: {sorted(differ)}')
    return errors


def wrong_overview():
    page, errors = 'man/heald.1', []
    listed = dict(re.findall(r'^\.BR heald\\-(\w+) \(1\)\n(.*)', section(page, 'COMMANDS'), re.M))
    if {name: listed[name] for name in listed if name in print_help()} != listed or \
            not commands().items() <= listed.items():
        errors.append(f'{page}: COMMANDS are not those of --help')
    if options() != options_of_page(page):
        errors.append(f'{page}: OPTIONS are not those of --help')
    return errors
