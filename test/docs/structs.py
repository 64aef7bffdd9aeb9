"""The structs of the public headers as the man pages describe them."""

import re

from report import project_files, read

COMMENT = re.compile(r'/\*.*?\*/', re.S)
TAG = re.compile(r'^\.TP\n\.(IR?) (.*)$', re.M)


def code():
    """The public headers without comments."""
    headers = [name for name in project_files('.h') if name.startswith('include/')]
    return '\n'.join(COMMENT.sub('', read(name)) for name in headers)


def tags(page):
    """The italic names that a page explains in a list: members and arguments."""
    for macro, text in TAG.findall(read(page)):
        words = [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', text)]
        for word in words[::2] if macro == 'IR' else words:
            if re.fullmatch(r'[a-z_][a-z0-9_]*', word):
                yield word


def unknown_names(pages):
    known = set(re.findall(r'\w+', code()))
    return [f'{page}: there is no {name} in a header'
            for page in pages for name in tags(page) if name not in known]


STRUCT = re.compile(r'(?:^/\*((?:(?!\*/).)*)\*/\n)?^struct (heald_\w+) \{\n(.*?)^\};', re.M | re.S)
SHOWN = re.compile(r'^struct (heald_\w+) \{\n(.*?)^\};', re.M | re.S)
PRIVATE = re.compile(r'll members are private|\bPrivate\.')
GAP = '/* ... */'


def lines_of(body):
    lines = (line.strip() for line in body.splitlines())
    return [line for line in lines if line]


def declared():
    """{name: the lines of its members} of the structs whose members are not all private."""
    found = {}
    for header in project_files('.h'):
        if header.startswith('include/'):
            for comment, name, body in STRUCT.findall(read(header)):
                if not PRIVATE.search(comment):
                    found[name] = lines_of(COMMENT.sub('', body))
    return found


def agrees(shown, members):
    """Whether lines are those of the members; a gap stands for any number of them."""
    rest, is_gap = list(members), False
    for line in shown:
        while is_gap and rest and rest[0] != line:
            rest.pop(0)
        is_gap = line == GAP
        if not is_gap and (not rest or rest.pop(0) != line):
            return False
    return is_gap or not rest


def wrong_structs(pages):
    """A page of section 3 shows each struct as its header declares it, without the comments."""
    structs, errors, seen = declared(), [], {}
    for page in pages:
        synopsis = re.search(r'^\.SH SYNOPSIS\n(.*?)^\.fi', read(page), re.M | re.S).group(1)
        for name, body in SHOWN.findall(synopsis):
            if not agrees(lines_of(body), structs.get(name, [])) or name in seen:
                errors.append(f'{page}: struct {name} is not that of the header, or shown twice')
            seen[name] = page
    return errors + [f'no page shows struct {name}' for name in structs if name not in seen]
