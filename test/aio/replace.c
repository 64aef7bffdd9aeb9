/*
 * test/aio/replace.c: calls that close or replace a descriptor and fail, or do it in a way of their
 * own. After one that fails the requests of the number are as before; after one of the others they
 * end as their file says, and the file that has the number next is unharmed.
 */
#include "aio/types.h"

#include <spawn.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

enum { QUEUED = 3, NO_NUMBER = 1 << 28, LIMIT = 10 };

/* A pipe with a read that waits, and two behind it. */
struct scene {
    int fds[2];
    struct aiocb blocks[QUEUED];
    char bytes[QUEUED];
};

static void begin(struct scene *scene)
{
    alarm(LIMIT * (unsigned)harness_slow());
    signal(SIGPIPE, SIG_IGN);
    memset(scene, 0, sizeof *scene);
    pipe_make(scene->fds);
    for (int i = 0; i < QUEUED; i++)
        start_read(&scene->blocks[i], scene->fds[0], &scene->bytes[i], 1, 0);
    must_hang(&scene->blocks[0]);
}

/* What aio_cancel(3) says of a request that nobody has touched, and what becomes of it. */
static void cancel_one(struct scene *scene, int i)
{
    must_be(aio_error(&scene->blocks[i]), EINPROGRESS);
    int said = aio_cancel(scene->fds[0], &scene->blocks[i]);
    must(said == AIO_CANCELED || said == AIO_NOTCANCELED);
    if (said == AIO_CANCELED)
        must_be(result_of(&scene->blocks[i]), -ECANCELED);
    else
        must_be(aio_error(&scene->blocks[i]), EINPROGRESS);
}

/* All are there: one can be cancelled, and the others get what comes, in order. */
static void nothing_was_forgotten(struct scene *scene)
{
    int next = 0;

    for (int i = 0; i < QUEUED; i++)
        must_be(aio_error(&scene->blocks[i]), EINPROGRESS);
    cancel_one(scene, QUEUED - 1);
    must_be(aio_cancel(scene->fds[1], NULL), AIO_ALLDONE);
    must_be(write(scene->fds[1], "abc", QUEUED), QUEUED);
    for (int i = 0; i < QUEUED; i++) {
        ssize_t n = result_of(&scene->blocks[i]);
        if (i == QUEUED - 1 && n == -ECANCELED)
            continue;
        must_be(n, 1);
        must_be(scene->bytes[i], "abc"[next++]);
    }
    must_be(aio_cancel(scene->fds[0], NULL), AIO_ALLDONE);
    pair_close(scene->fds);
}

#define MUST_FAIL(call, error) (must_be(call, -1), must_be(errno, error))

HEALD_CASE(dup2_of_a_bad_source)
{
    struct scene scene;

    begin(&scene);
    MUST_FAIL(dup2(-1, scene.fds[0]), EBADF);
    MUST_FAIL(dup2(NO_NUMBER, scene.fds[0]), EBADF);
    nothing_was_forgotten(&scene);
}

/* A number that was closed just before. */
HEALD_CASE(dup2_of_a_closed_source)
{
    struct scene scene;

    begin(&scene);
    int closed = file_make();
    close(closed);
    MUST_FAIL(dup2(closed, scene.fds[0]), EBADF);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(dup2_beyond_the_limit)
{
    struct scene scene;
    struct rlimit limit;

    begin(&scene);
    must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
    MUST_FAIL(dup2(scene.fds[0], (int)limit.rlim_cur), EBADF);
    MUST_FAIL(dup2(scene.fds[0], -1), EBADF);
    nothing_was_forgotten(&scene);
}

/* The limit was lowered below the number since it was opened. */
HEALD_CASE(dup2_under_a_lowered_limit)
{
    struct scene scene;
    struct rlimit limit, lower;

    begin(&scene);
    must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lower = limit;
    lower.rlim_cur = (rlim_t)scene.fds[0];
    must_be(setrlimit(RLIMIT_NOFILE, &lower), 0);
    MUST_FAIL(dup2(0, scene.fds[0]), EBADF);
    must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(dup2_onto_itself)
{
    struct scene scene;

    begin(&scene);
    must_be(dup2(scene.fds[0], scene.fds[0]), scene.fds[0]);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(dup3_that_fails)
{
    struct scene scene;

    begin(&scene);
    MUST_FAIL(dup3(scene.fds[0], scene.fds[0], 0), EINVAL);
    MUST_FAIL(dup3(scene.fds[1], scene.fds[0], O_APPEND), EINVAL);
    MUST_FAIL(dup3(-1, scene.fds[0], O_CLOEXEC), EBADF);
    MUST_FAIL(dup3(NO_NUMBER, scene.fds[0], 0), EBADF);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(close_range_that_fails)
{
    struct scene scene;

    begin(&scene);
    MUST_FAIL(close_range((unsigned)scene.fds[0] + 1, (unsigned)scene.fds[0], 0), EINVAL);
    MUST_FAIL(close_range((unsigned)scene.fds[0], 0, 0), EINVAL);
    MUST_FAIL(close_range(0, ~0U, 1 << 20), EINVAL);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(close_that_fails)
{
    struct scene scene;

    begin(&scene);
    MUST_FAIL(close(-1), EBADF);
    MUST_FAIL(close(NO_NUMBER), EBADF);
    nothing_was_forgotten(&scene);
}

/* It marks the numbers, and closes none. */
HEALD_CASE(close_range_on_exec)
{
    struct scene scene;

    begin(&scene);
    must_be(fcntl(scene.fds[0], F_SETFD, 0), 0);
    must_be(close_range((unsigned)scene.fds[0], (unsigned)scene.fds[1], CLOSE_RANGE_CLOEXEC), 0);
    must_be(fcntl(scene.fds[0], F_GETFD), FD_CLOEXEC);
    nothing_was_forgotten(&scene);
}

/* The number has another file: the requests end, with bytes of theirs only; it keeps its own. */
static void ends_apart(struct scene *scene, int other)
{
    char text[10];

    must_be(write(scene->fds[1], "abc", QUEUED) < 0 && errno != EPIPE, 0);
    close(scene->fds[1]);
    for (int i = 0; i < QUEUED; i++) {
        ssize_t n = result_of(&scene->blocks[i]);
        must(was_given_up(n) || n == 0 || (n == 1 && strchr("abc", scene->bytes[i])));
    }
    must_be(pread(other, text, 10, 0), 10);
    must_be(memcmp(text, "0123456789", 10), 0);
    must_be(lseek(other, 0, SEEK_CUR), 0);
    must_be(aio_cancel(other, NULL), AIO_ALLDONE);
}

static void has_requests(int other)
{
    char text[4];

    must_be(read_now(other, text, 4, 3), 4);
    must_be(memcmp(text, "3456", 4), 0);
    must_be(write_now(other, "wxyz", 4, 0), 4);
    close(other);
}

/* The same file of ten bytes at that number. */
static int file_at(int number)
{
    int fd = file_with("0123456789");

    if (fd != number && fcntl(number, F_GETFD) < 0) {
        must_be(dup2(fd, number), number);
        close(fd);
        fd = number;
    }
    return fd;
}

HEALD_CASE(fclose_of_a_stream)
{
    struct scene scene;

    begin(&scene);
    must_be(fclose(fdopen(scene.fds[0], "r")), 0);
    int other = file_at(scene.fds[0]);
    ends_apart(&scene, other);
    has_requests(other);
}

HEALD_CASE(freopen_of_a_stream)
{
    char path[64];
    struct scene scene;

    begin(&scene);
    int fd = open(name_make(path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    must_be(write(fd, "0123456789", 10), 10);
    close(fd);
    FILE *stream = freopen(path, "r+", fdopen(scene.fds[0], "r"));
    must(stream);
    unlink(path);
    int other = dup(fileno(stream));
    ends_apart(&scene, other);
    has_requests(other);
    fclose(stream);
}

HEALD_CASE(close_range_of_one)
{
    struct scene scene;

    begin(&scene);
    must_be(close_range((unsigned)scene.fds[0], (unsigned)scene.fds[0], 0), 0);
    int other = file_at(scene.fds[0]);
    ends_apart(&scene, other);
    has_requests(other);
}

static void closes_all_from(void *arg)
{
    struct scene scene;
    int spare;

    (void)arg;
    begin(&scene);
    spare = fcntl(scene.fds[1], F_DUPFD_CLOEXEC, 0);
    must(spare >= 0);
    must_be(dup2(scene.fds[1], 1), 1);
    closefrom(3);
    scene.fds[1] = 1;
    int other = file_at(scene.fds[0]);
    ends_apart(&scene, other);
    has_requests(other);
}

HEALD_CASE(closefrom_in_the_middle)
{
    in_child(closes_all_from, NULL);
}

/* The calling thread has a table of its own from then on: its requests work, or are refused. */
static void leaves_the_table(void *arg)
{
    struct scene scene;
    unsigned number;
    char text[4];

    (void)arg;
    begin(&scene);
    number = (unsigned)scene.fds[0];
    must_be(close_range(number, number, CLOSE_RANGE_UNSHARE), 0);
    int other = file_at(scene.fds[0]);
    ends_apart(&scene, other);
    ssize_t n = read_now(other, text, 4, 3);
    must(n == -EBADF || (n == 4 && memcmp(text, "3456", 4) == 0));
}

HEALD_CASE(close_range_that_leaves_the_table)
{
    in_child(leaves_the_table, NULL);
}

extern char **environ;

/* The actions are done in the child, whose numbers are its own. */
static void spawn_with(posix_spawn_file_actions_t *actions)
{
    char name[] = "true", *argv[] = {name, NULL};
    int status;
    pid_t pid;

    must_be(posix_spawn(&pid, "/bin/true", actions, NULL, argv, environ), 0);
    must_be(waitpid(pid, &status, 0), pid);
    must_be(status, 0);
    must_be(posix_spawn_file_actions_destroy(actions), 0);
}

HEALD_CASE(spawned_child_closes)
{
    posix_spawn_file_actions_t actions;
    struct scene scene;

    begin(&scene);
    must_be(posix_spawn_file_actions_init(&actions), 0);
    must_be(posix_spawn_file_actions_addclose(&actions, scene.fds[0]), 0);
    spawn_with(&actions);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(spawned_child_replaces)
{
    posix_spawn_file_actions_t actions;
    struct scene scene;

    begin(&scene);
    must_be(posix_spawn_file_actions_init(&actions), 0);
    must_be(posix_spawn_file_actions_adddup2(&actions, 2, scene.fds[0]), 0);
    must_be(posix_spawn_file_actions_addopen(&actions, scene.fds[1], "/dev/null", O_RDWR, 0), 0);
    spawn_with(&actions);
    nothing_was_forgotten(&scene);
}

HEALD_CASE(spawned_child_closes_all)
{
    posix_spawn_file_actions_t actions;
    struct scene scene;

    begin(&scene);
    must_be(posix_spawn_file_actions_init(&actions), 0);
    must_be(posix_spawn_file_actions_addclosefrom_np(&actions, 3), 0);
    spawn_with(&actions);
    nothing_was_forgotten(&scene);
}

/* A child stops this process, and has it go on. */
static void stop_and_continue(void)
{
    pid_t me = getpid(), pid = fork();

    must(pid >= 0);
    if (!pid) {
        nap(20);
        kill(me, SIGSTOP);
        nap(50);
        kill(me, SIGCONT);
        _exit(0);
    }
    must_be(waitpid(pid, NULL, 0), pid);
    nap(20);
}

/* A read waits, its number is closed and belongs to another file. The kernel begins again what was
 * interrupted by the stop. */
static void stopped_with_a_read_of(void (*make)(int[2]), bool timed)
{
    struct timeval time = {.tv_sec = LIMIT * harness_slow()};
    struct aiocb cb;
    int fds[2], next[2];
    char byte = 0, other = 0;

    alarm(LIMIT * (unsigned)harness_slow());
    make(fds);
    if (timed)
        must_be(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    start_read(&cb, fds[0], &byte, 1, 0);
    must_hang(&cb);
    must_be(close(fds[0]), 0);
    pipe_make(next);
    must_be(next[0], fds[0]);
    stop_and_continue();
    must_be(write(next[1], "n", 1), 1);
    must_hang(&cb);
    must_be(write(fds[1], "o", 1), 1);
    must_be(result_of(&cb), 1);
    must_be(byte, 'o');
    must_be(read(next[0], &other, 1), 1);
    must_be(other, 'n');
    close(fds[1]);
    pair_close(next);
}

static void streams_make(int fds[2])
{
    pair_make(SOCK_STREAM, fds);
}

HEALD_CASE(stopped_after_the_close_of_a_fifo)
{
    stopped_with_a_read_of(fifo_make, false);
}

HEALD_CASE(stopped_after_the_close_of_a_pipe)
{
    stopped_with_a_read_of(pipe_make, false);
}

HEALD_CASE(stopped_after_the_close_of_a_socket)
{
    stopped_with_a_read_of(streams_make, false);
}

HEALD_CASE(stopped_after_the_close_of_a_timed_socket)
{
    stopped_with_a_read_of(streams_make, true);
}

void add_replace(TCase *group)
{
    add(group, dup2_of_a_bad_source);
    add(group, dup2_of_a_closed_source);
    add(group, dup2_beyond_the_limit);
    add(group, dup2_under_a_lowered_limit);
    add(group, dup2_onto_itself);
    add(group, dup3_that_fails);
    add(group, close_range_that_fails);
    add(group, close_that_fails);
    add(group, close_range_on_exec);
    add(group, fclose_of_a_stream);
    add(group, freopen_of_a_stream);
    add(group, close_range_of_one);
    add(group, closefrom_in_the_middle);
    add(group, close_range_that_leaves_the_table);
    add(group, spawned_child_closes);
    add(group, spawned_child_replaces);
    add(group, spawned_child_closes_all);
    add(group, stopped_after_the_close_of_a_fifo);
    add(group, stopped_after_the_close_of_a_pipe);
    add(group, stopped_after_the_close_of_a_socket);
    add(group, stopped_after_the_close_of_a_timed_socket);
}
