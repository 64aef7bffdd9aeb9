"""What the style tests share: the list of files, and a verdict for each rule."""

import os
import subprocess
import sys

SOURCE = os.environ.get('HEALD_SOURCE_DIR') or os.path.normpath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
BUILD = os.environ.get('HEALD_BUILD_DIR') or os.path.join(SOURCE, 'build')


def project_files(*suffixes):
    """The project's files, as paths from its root: git's list, or in a tarball all there is."""
    git = subprocess.run(['git', '-C', SOURCE, 'ls-files', '-co', '--exclude-standard'],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if git.returncode == 0:
        names = git.stdout.splitlines()
    else:
        names = []
        for directory, directories, files in os.walk(SOURCE):
            directories[:] = [f for f in directories if not f.startswith(('.', 'build'))]
            names += [os.path.relpath(os.path.join(directory, f), SOURCE) for f in files]
    names = sorted(n for n in set(names) if os.path.isfile(os.path.join(SOURCE, n)))
    return [n for n in names if not suffixes or n.endswith(suffixes)]


def read(name):
    with open(os.path.join(SOURCE, name), encoding='utf-8', errors='replace') as file:
        return file.read()


class Report:
    """Counts rules, and prints what each found."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def rule(self, name, errors):
        if errors:
            self.failed += 1
            print(f'FAIL {name}')
            for error in errors:
                print(f'  {error}')
        else:
            self.passed += 1
            print(f'ok   {name}')

    def skip(self, name, why):
        self.skipped += 1
        print(f'skip: {name}: {why}')

    def finish(self):
        print(f'# {self.passed} passed, {self.failed} failed, {self.skipped} skipped')
        if self.failed:
            sys.exit(1)
        sys.exit(77 if self.skipped and not self.passed else 0)
