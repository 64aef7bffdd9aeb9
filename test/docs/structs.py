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
