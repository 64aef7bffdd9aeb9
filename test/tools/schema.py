"""What the pages of section 1 say of the JSON of the commands, and whether an output is that.

The section JSON of a page lists the members: `regions[].name (string)`. "[]" stands for the
elements of an array. A type is string, integer, number, boolean, null, object, or a group of
members that is listed as `GROUP.member`; "or" and "and" join them; "optional" means that it may be
absent; "same as X" stands for the type and members of X.
"""

import os
import re

MEMBER = re.compile(r'^\.TP\n\.BR (\S+) "\s?\(([^)]*)\)"$', re.M)
SIMPLE = {'string': str, 'integer': int, 'number': (int, float), 'boolean': bool,
          'null': type(None)}


def is_simple(value, kind):
    if kind in ('integer', 'number') and isinstance(value, bool):
        return False
    return isinstance(value, SIMPLE[kind])


class Schema:
    """Of one page. Remembers which members were seen."""

    def __init__(self, page):
        with open(os.path.join(os.environ['HEALD_SOURCE_DIR'], 'man', page),
                  encoding='utf-8') as file:
            text = file.read()
        part = text[text.index('.SH JSON\n'):]
        part = part[:part.index('.SH EXIT STATUS\n')]
        self.members = {}
        for path, kind in MEMBER.findall(part):
            assert path not in self.members, (page, path)
            self.members[path] = kind
        assert self.members, page
        self.seen = set()

    def below(self, prefix):
        """{name: (brackets, path)} of the members whose paths begin with the prefix."""
        found = {}
        for path in self.members:
            match = re.fullmatch(re.escape(prefix) + r'(\w+)((?:\[\])*)', path)
            if match and (prefix or '.' not in path):
                found[match[1]] = (match[2], path)
        return found

    def check(self, value):
        """Raises AssertionError where the object is not what the page says."""
        self.check_object(value, [''])

    def check_object(self, value, prefixes):
        assert isinstance(value, dict), value
        known = {}
        for prefix in prefixes:
            known.update(self.below(prefix))
        assert set(value) <= set(known), f'not in the page: {set(value) - set(known)} of {prefixes}'
        for name, (brackets, path) in known.items():
            if name in value:
                self.seen.add(path)
                self.check_elements(value[name], brackets, path)
            else:
                assert 'optional' in self.members[path], f'{path} is absent'

    def check_elements(self, value, brackets, path):
        if not brackets:
            self.check_kind(value, path)
            return
        assert isinstance(value, list), path
        for element in value:
            self.check_elements(element, brackets[2:], path)

    def check_kind(self, value, path):
        kind = self.members[path].replace(', optional', '')
        prefixes = [path + '.']
        same = re.fullmatch(r'same as (\S+)', kind)
        if same:
            kind = self.members[same[1]]
            prefixes.append(same[1] + '.')
        words = re.split(r' or | and ', kind)
        if all(word in SIMPLE for word in words):
            assert any(is_simple(value, word) for word in words), (path, kind, value)
        else:
            self.check_object(value, prefixes + [word + '.' for word in words if word != 'object'])

    def unseen(self):
        return sorted(path for path in self.members if path not in self.seen)
