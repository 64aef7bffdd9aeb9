"""floors.txt: the table of who may include, and call, what."""

import fnmatch
import os


class Table:
    """floors.txt."""

    def __init__(self, text):
        self.pure, self.rows, self.only, self.names, self.calls = set(), {}, {}, {}, {}
        for line in text.splitlines():
            line = line.split('#')[0].strip()
            if not line:
                continue
            subject, items = line.split(':', 1)
            words = subject.split()
            if subject == 'pure':
                self.pure |= set(items.split())
            elif words[0] == 'only':
                self.only[words[1].strip('<>')] = items.split()
            elif words[0] == 'ifdef':
                self.names[words[1]] = set(items.split())
            elif words[0] == 'calls':
                self.calls[words[1]] = items.split()
            else:
                self.rows[subject] = items.split()

    def items(self, path):
        """What a file, named from src/, may include; None when its directory has no row."""
        directory = os.path.dirname(path)
        if directory not in self.rows:
            return None
        items = self.rows[directory] + self.rows.get(path, [])
        return [directory if item == 'self' else item for item in items]

    def may_quote(self, path, header):
        items = self.items(path)
        return header == 'config.h' or header in items or os.path.dirname(header) in items

    def may_angle(self, path, header):
        items = self.items(path)
        if header.startswith('heald/'):
            return True
        for pattern, places in self.only.items():
            if fnmatch.fnmatch(header, pattern):
                return path in places or os.path.dirname(path) in places
        return 'pure' not in items or f'<{header}>' in self.pure or f'<{header}>' in items

    def may_need(self, path, provider, is_public):
        """May a file need a symbol that another one defines? It may if it may include a header of
        that one's directory, or of the directory around that, whose headers declare what it carries
        out."""
        directory = os.path.dirname(provider)
        homes = {directory, os.path.dirname(directory)} - {''}
        items = self.items(path) or []
        if {item for item in items if item in homes or os.path.dirname(item) in homes}:
            return True
        calls = self.calls.get(os.path.dirname(path), []) + self.calls.get(path, [])
        return os.path.dirname(path) == directory or (is_public and directory in calls)
