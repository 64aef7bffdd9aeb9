"""heald pub and heald sub: publishers and subscribers that are slow, stopped or killed."""

import json
import os
import signal
import subprocess

from command_line import in_terminal
from regions import PREFIX, end, removing, start, until
from schema import Schema
from serving import HEALD, heald, is_portable

NAME = PREFIX + '-topic'
RING = 128  # of a topic with the defaults of heald pub


case = removing(NAME)


def publish(*args, text=None):
    data = text if text is None or isinstance(text, bytes) else text.encode()
    result = subprocess.run([HEALD, 'pub', *args], input=data, capture_output=True, check=False)
    return result.returncode, result.stderr.decode()


def subscribe(*args):
    """A subscriber that has printed the first sample."""
    subscriber = start('sub', *args)
    assert publish('--wait', NAME, 'first') == (0, '')
    assert subscriber.stdout.readline() == 'first\n'
    return subscriber


def stop(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


@case
def a_subscriber_waits_for_the_topic():
    subscriber = start('sub', '-N', '3', NAME)
    assert 'there is no topic "topic" yet; waiting' in subscriber.stderr.readline()
    assert publish('--wait', NAME, text='one\n\nthree') == (0, '')
    assert end(subscriber) == (0, 'one\n\nthree\n', '')
    for args, words in ((('-n', NAME + ':other'), 'no topic "other" (there is "topic")\n'),
                        (('-w', '0.01', PREFIX + '-none'), 'there is no topic "topic"\n')):
        result = heald('sub', *args)
        assert result.returncode == 1 and result.stderr.endswith(words), result
    assert heald('sub', '-w', '0.01', NAME).returncode == 1
    for args in ((), ('-lB', NAME), ('-0b', NAME), ('-rn', NAME), ('-H', '17', NAME), ('x',)):
        result = heald('sub', *args)
        assert result.returncode == 2 and result.stderr.count('\n') == 1, (args, result)


@case
def samples_are_printed_in_each_form():
    page = Schema('heald-sub.1')
    for sample in (b'text', b'\x1b[2J\tb', b'', b'\0', b'a\xff', b'\xc3\xa9'):
        assert publish('-b', NAME, text=sample) == (0, '')
    lines = heald('sub', '-n', '--json', '-H', '9', NAME).stdout.splitlines()
    seen = [json.loads(line) for line in lines]
    for line in seen:
        page.check(line)
    assert [line['sequence'] for line in seen] == list(range(6)), seen
    assert [line.get('data') for line in seen] == ['text', '\x1b[2J\tb', '', None, None, '\u00e9']
    assert [line.get('base64') for line in seen[3:]] == ['AA==', 'Yf8=', None], seen
    result = subprocess.run([HEALD, 'sub', '-n0', '-H3', NAME], capture_output=True, check=False)
    assert result.stdout == b'\0\0a\xff\0\xc3\xa9\0', result
    result = subprocess.run([HEALD, 'sub', '-nb', '-H3', NAME], capture_output=True, check=False)
    assert result.stdout == b'\0a\xff\xc3\xa9', result
    assert in_terminal('sub', '-n', '-H', '5', NAME) == '?[2J\tb\n\n?\na?\n\u00e9\n'
    assert in_terminal('sub', '-nb', '-H', '2', NAME).startswith('00000000  61 ff  ')
    assert heald('sub', '-n', '--latest', '-H', '3', NAME).stdout == '\u00e9\n'
    assert heald('sub', '-n', NAME).returncode == 1


@case
def records_of_a_size_are_copied():
    assert publish('--size', '1000000', NAME) == (0, '')
    data = os.urandom(1000000)
    assert publish('-b', NAME, text=data) == (0, '')
    result = subprocess.run([HEALD, 'sub', '-nb', '-H1', NAME], capture_output=True, check=False)
    assert result.stdout == data


@case
def a_subscriber_that_was_stopped_says_what_it_lost():
    subscriber = subscribe(NAME)
    stop(subscriber)
    assert publish(NAME, text='\n'.join(map(str, range(1000)))) == (0, '')
    subscriber.send_signal(signal.SIGCONT)
    lines = [int(subscriber.stdout.readline())]
    while lines[-1] != 999:
        lines.append(int(subscriber.stdout.readline()))
    assert lines == list(range(lines[0], 1000)) and 1 < len(lines) <= RING, lines
    subscriber.kill()
    err = end(subscriber)[2]
    assert err.splitlines()[-1] == f'heald sub: {NAME}: {lines[0]} samples lost', err


@case
def a_subscriber_that_blocks_loses_nothing():
    subscriber = subscribe('-B', NAME)
    stop(subscriber)
    code, err = publish('-n', NAME, text='x\n' * 1000)
    assert code == 1 and 'a subscriber is too far behind' in err, err
    subscriber.kill()
    end(subscriber)
    assert publish('-w', '10', NAME, text='x\n' * 1000) == (0, '')


@case
def a_publisher_is_killed():
    subscriber = start('sub', '-N', '2', NAME)
    # pylint: disable=consider-using-with
    publisher = subprocess.Popen([HEALD, 'pub', '--wait', NAME], stdin=subprocess.PIPE)
    publisher.stdin.write(b'one\n')
    publisher.stdin.flush()
    assert subscriber.stdout.readline() == 'one\n'
    publisher.kill()
    publisher.communicate()
    assert publish(NAME, 'two') == (0, '')
    assert end(subscriber)[:2] == (0, 'two\n')


@case
def the_rate_is_a_line_a_second():
    page = Schema('heald-sub.1')
    subscriber = start('sub', '--rate', '--json', NAME)
    assert publish('--wait', NAME, 'one', 'three') == (0, '')
    total = {'samples': 0, 'bytes': 0, 'lost': 0}
    while total['samples'] < 2:
        line = json.loads(subscriber.stdout.readline())
        page.check(line)
        total = {name: total[name] + line[name] for name in total}
    assert total == {'samples': 2, 'bytes': 8, 'lost': 0}, total
    subscriber.kill()
    end(subscriber)
    subscriber = start('sub', '--rate', '-N', '1', NAME)
    assert publish('--wait', NAME) == (0, '')
    code, out, _ = end(subscriber)
    assert code == 0 and out.endswith('samples/s, 0B/s, 0 lost\n'), out


@case
def an_output_that_ends():
    assert publish(NAME, 'x') == (0, '')
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'wb') as full:
            result = subprocess.run([HEALD, 'sub', '-n', '-H1', NAME], stdout=full, check=False,
                                    stderr=subprocess.PIPE, text=True)
        assert result.returncode == 2 and 'no space left' in result.stderr, result
    subscriber = start('sub', NAME)
    assert publish('--wait', NAME) == (0, '')
    subscriber.stdout.close()

    def has_ended():
        publish(NAME, 'x')
        return subscriber.poll() is not None

    until(has_ended)
    assert subscriber.returncode == -signal.SIGPIPE
    subscriber.stderr.close()


def object_in(name):
    return json.loads(heald('ls', '--json', name).stdout)['regions'][0]['objects'][0]


@case
def ls_shows_the_slowest_subscriber():
    subscriber, slow = start('sub', NAME), start('sub', NAME)
    assert publish('--wait', NAME, 'first') == (0, '')
    until(lambda: object_in(NAME)['subscribers'] == 2 and 'slowest' not in object_in(NAME))
    stop(slow)
    assert publish(NAME, text='x\n' * 1000) == (0, '')
    until(lambda: object_in(NAME)['messages'] == 1000)
    until(lambda: object_in(NAME)['slowest']['pid'] == slow.pid)
    seen = object_in(NAME)
    assert seen['slowest']['stopped'] is os.path.exists('/proc/self/stat'), seen
    assert (seen['sent'], seen['capacity'], seen['subscribers']) == (1001, 64, 2), seen
    text = heald('ls', NAME).stdout
    assert f'1001 published, 2 subscribers, the slowest 1000 behind: {slow.pid}' in text, text
    assert '(heald, stopped)' in text or not seen['slowest']['stopped'], text
    for process in (subscriber, slow):
        process.kill()
        end(process)
    assert object_in(NAME)['subscribers'] == 0 or is_portable()  # which sees no death from outside


CASES = (a_subscriber_waits_for_the_topic, samples_are_printed_in_each_form,
         records_of_a_size_are_copied, a_subscriber_that_was_stopped_says_what_it_lost,
         a_subscriber_that_blocks_loses_nothing, a_publisher_is_killed,
         the_rate_is_a_line_a_second, ls_shows_the_slowest_subscriber, an_output_that_ends)
