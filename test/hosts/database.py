"""libpq in a loop: example postgres, against a cluster of its own, made once for all back ends."""

import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from hosting import LIMIT, Example, Missing, expect, tool, until

CLUSTER = []


class Cluster:
    """On a Unix socket in a temporary directory. postgres refuses root: then it is nobody's."""

    def __init__(self):
        places = sorted(glob.glob('/usr/lib/postgresql/*/bin'))
        initdb, postgres = tool('initdb', *places), tool('postgres', *places)
        self.psql = tool('psql', *places)
        self.directory = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.how = {'cwd': self.directory, 'stdin': subprocess.DEVNULL}
        if os.getuid() == 0:
            nobody = pwd.getpwnam('nobody')
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
            self.how |= {'user': nobody.pw_uid, 'group': nobody.pw_gid, 'extra_groups': []}
        data = os.path.join(self.directory, 'data')
        made = subprocess.run([initdb, '-D', data, '-U', 'test', '-A', 'trust', '-N', '-E', 'UTF8',
                               '--no-locale'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, **self.how)
        if made.returncode:
            raise Missing('initdb: ' + made.stdout.strip().splitlines()[-1])
        self.process = subprocess.Popen(
            [postgres, '-D', data, '-k', self.directory, '-c', 'listen_addresses=',
             '-c', 'fsync=off', '-c', 'dynamic_shared_memory_type=mmap'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.how)
        atexit.register(self.stop)
        until(self.is_there, 'the server does not listen')

    def is_there(self):
        expect(self.process.poll() is None, 'the server has ended')
        return self.run('SELECT 1').returncode == 0

    def run(self, sql):
        return subprocess.run([self.psql, '-h', self.directory, '-U', 'test', '-Atqc', sql,
                               'postgres'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, **self.how)

    def say(self, sql):
        done = self.run(sql)
        expect(done.returncode == 0, done.stderr)
        return done.stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(LIMIT)

    def address(self, hosts=''):
        return f'host={hosts}{self.directory} user=test dbname=postgres application_name=example'


def cluster():
    """The one of all cases, or why there is none."""
    if not CLUSTER:
        try:
            CLUSTER.append(Cluster())
        except Missing as why:
            CLUSTER.append(why)
    if isinstance(CLUSTER[0], Missing):
        raise CLUSTER[0]
    return CLUSTER[0]


def check_query(env):
    """Many rows, and one that fails; then notifications, and an end."""
    server = cluster()
    for query, line in (('SELECT generate_series(1, 100000)', '100000 rows, the last: 100000'),
                        ("SELECT 1; SELECT length('" + 'x' * 100000 + "')",
                         '1 rows, the last: 1')):
        with Example('postgres', env, server.address(), query) as example:
            example.says(line)
            if ';' in query:
                example.says('1 rows, the last: 100000')
            example.says('PGRES_COMMAND_OK')
            server.say("NOTIFY news, 'hello'")
            example.says('news: hello')
            server.say("NOTIFY news, 'one'; NOTIFY news, 'end'")
            expect(example.ends_well() == 'news: one\nnews: end\nclosed\n', 'another end')
    with Example('postgres', env, server.address(), 'SELECT nothing') as example:
        expect(example.line().startswith('PGRES_FATAL_ERROR'), 'no error')
        until(lambda: server.say("SELECT count(*) FROM pg_stat_activity WHERE query = "
                                 "'LISTEN news' AND state = 'idle'") == '1', 'does not listen')
        server.say("NOTIFY news, 'end'")
        out, err, status = example.end()
        expect(status == 0 and not err and out.endswith('news: end\nclosed\n'), f'{out!r} {err!r}')


def check_lost(env):
    """A server that is not there, one behind it, and a connection that is cut."""
    server = cluster()
    with Example('postgres', env, 'host=/nowhere', 'SELECT 1') as example:
        _, err, status = example.end()
        expect(status == 1 and '/nowhere' in err, err)
    with Example('postgres', env, server.address('/nowhere,'), 'SELECT 1') as example:
        example.says('1 rows, the last: 1')
        example.says('PGRES_COMMAND_OK')
        expect(server.say("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE application_name = 'example'") == 't', 'not there')
        out, err, status = example.end()
        expect((out, status) == ('closed\n', 1) and 'terminating connection' in err, err)


EXAMPLES = ['postgres']
CASES = {'query': check_query, 'lost': check_lost}
