/* test/aio/fork.c: a child process has nothing outstanding, and requests of its own; the parent
 * sees none of them. */
#include "aio/suite.h"

#include <dlfcn.h>
#include <spawn.h>

enum { FORKS = 150, FORK_SECONDS = 4, HAMMERS = 4, ITEMS = 8 };

extern char **environ;

static atomic_bool stop;

/* The parent's pending read, as the child sees it. */
struct pending {
    int fds[2];
    struct aiocb cb;
    char buf[8];
};

static void pending_start(struct pending *p)
{
    pipe_make(p->fds);
    start_read(&p->cb, p->fds[0], p->buf, 4, 0);
}

static void pending_end(struct pending *p)
{
    must_be(aio_error(&p->cb), EINPROGRESS);
    must_be(write(p->fds[1], "data", 4), 4);
    must_be(result_of(&p->cb), 4);
    must_be(memcmp(p->buf, "data", 4), 0);
    pair_close(p->fds);
}

/* All that a process may do with a file and a pipe. */
static void own_requests(void)
{
    int fd = file_with("0123456789"), fds[2];
    char buf[16];
    struct aiocb a = block(fd, buf, 4, 0), b = block(fd, buf + 4, 4, 4), pending, sync;
    struct aiocb *list[] = {&a, &b};

    must_be(read_now(fd, buf, sizeof buf, 0), 10);
    must_be(write_now(fd, "abc", 3, 0), 3);
    a.aio_lio_opcode = b.aio_lio_opcode = LIO_READ;
    must_be(lio_listio(LIO_WAIT, list, 2, NULL), 0);
    must_be(memcmp(buf, "abc34567", 8), 0);
    sync = block(fd, NULL, 0, 0);
    must_be(aio_fsync(O_DSYNC, &sync), 0);
    must_be(result_of(&sync), 0);
    pipe_make(fds);
    start_read(&pending, fds[0], buf, 4, 0);
    must_be(write_now(fds[1], "ping", 4, 0), 4);
    must_be(result_of(&pending), 4);
    pair_close(fds);
    close(fd);
}

static void has_nothing_outstanding(void *arg)
{
    struct pending *p = arg;

    must_be(aio_cancel(p->fds[0], NULL), AIO_ALLDONE);
}

HEALD_CASE(nothing_is_outstanding_in_the_child)
{
    struct pending p;

    pending_start(&p);
    in_child(has_nothing_outstanding, &p);
    pending_end(&p);
}

static void asks_itself(void *arg)
{
    (void)arg;
    own_requests();
}

HEALD_CASE(the_child_has_its_own)
{
    struct pending p;

    pending_start(&p);
    for (int i = 0; i < 5; i++)
        in_child(asks_itself, NULL);
    own_requests();
    pending_end(&p);
}

static void asks_and_forks(void *arg)
{
    own_requests();
    in_child(asks_itself, arg);
    own_requests();
}

HEALD_CASE(the_childs_child_has_its_own)
{
    struct pending p;

    pending_start(&p);
    in_child(asks_and_forks, NULL);
    in_child(asks_and_forks, NULL);
    pending_end(&p);
}

/* The same block at the same address, with another end. */
static void uses_the_block(void *arg)
{
    struct pending *p = arg;
    int fd = file_with("child");

    for (int i = 0; i < 100; i++) {
        must_be(read_now(fd, p->buf, 5, 0), 5);
        start_read(&p->cb, fd, p->buf, 5, 0);
        must_be(result_of(&p->cb), 5);
    }
    start_read(&p->cb, -1, p->buf, 5, 0);
    must_be(result_of(&p->cb), -EBADF);
}

HEALD_CASE(the_parent_does_not_see_the_childs)
{
    struct pending p;

    pending_start(&p);
    in_child(uses_the_block, &p);
    must_hang(&p.cb);
    must_be(memcmp(p.buf, "child", 5) != 0, 1);
    pending_end(&p);
}

static void waits_and_looks(void *arg)
{
    struct pending *p = arg;

    nap(150);
    must(memcmp(p->buf, "data", 4) != 0);
}

HEALD_CASE(reads_land_in_the_parent)
{
    struct pending p = {.buf = "old"};

    pending_start(&p);
    pid_t pid = child_start(waits_and_looks, &p);
    p.buf[7] = 'x';
    pending_end(&p);
    must_be(child_end(pid, 10), 0);
}

HEALD_CASE(children_without_handlers_of_fork)
{
    struct pending p;

    pending_start(&p);
    for (int i = 0; i < 4; i++) {
        pid_t pid = i % 2 ? _Fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        must(pid >= 0);
        if (pid == 0) {
            must_be(aio_cancel(p.fds[0], NULL), AIO_ALLDONE);
            own_requests();
            _exit(0);
        }
        must_be(child_end(pid, 10), 0);
        own_requests();
    }
    pending_end(&p);
}

/* The exit of a child must not end what its parent waits for. */
HEALD_CASE(the_childs_exit_cancels_nothing)
{
    struct pending p;

    pending_start(&p);
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        must(pid >= 0);
        if (pid == 0 && i < 2)
            exit(0);
        if (pid == 0) {
            char name[] = "true", *const args[] = {name, NULL};
            execv("/bin/true", args);
            _exit(0);
        }
        must_be(child_end(pid, 10), 0);
        must_hang(&p.cb);
    }
    pending_end(&p);
}

static void hammer_list(int fd, char *buf)
{
    struct aiocb blocks[ITEMS], *list[ITEMS];

    for (int i = 0; i < ITEMS; i++) {
        blocks[i] = block(fd, buf + i, 1, i);
        blocks[i].aio_lio_opcode = LIO_READ;
        list[i] = &blocks[i];
    }
    must_be(lio_listio(LIO_WAIT, list, ITEMS, NULL), 0);
    must_be(memcmp(buf, "01234567", ITEMS), 0);
}

static void *hammer(void *arg)
{
    int fd = *(int *)arg;
    char buf[16];

    while (!atomic_load(&stop)) {
        must_be(read_now(fd, buf, 10, 0), 10);
        must_be(write_now(fd, buf, 10, 0), 10);
        hammer_list(fd, buf);
        free(malloc(1000));
    }
    return NULL;
}

/* Children of a process that is in the middle of everything. */
static void fork_rounds(void (*round)(int))
{
    pthread_t threads[HAMMERS];
    int fd = file_with("0123456789");
    int64_t end = now() + FORK_SECONDS * (int64_t)SECOND;

    for (int i = 0; i < HAMMERS; i++)
        threads[i] = thread_start(hammer, &fd);
    for (int i = 0; i < FORKS && now() < end; i++)
        round(i);
    atomic_store(&stop, true);
    for (int i = 0; i < HAMMERS; i++)
        thread_end(threads[i]);
    close(fd);
}

static void fork_round(int i)
{
    pid_t pid = child_start(asks_itself, NULL);

    (void)i;
    must_be(child_end(pid, 12), 0);
}

HEALD_CASE(forks_in_the_thick_of_it)
{
    if (dlsym(RTLD_DEFAULT, "__asan_init"))
        harness_skip("the address sanitizer's malloc does not survive a fork among threads");
    fork_rounds(fork_round);
}

/* Nothing but what is safe after _Fork(): no malloc, no stdio. */
static void bare_round(int i)
{
    int fd = file_with("0123456789");
    pid_t pid = i % 2 ? _Fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    must(pid >= 0);
    if (pid == 0) {
        must_be(aio_cancel(fd, NULL), AIO_ALLDONE);
        _exit(0);
    }
    must_be(child_end(pid, 12), 0);
    close(fd);
}

HEALD_CASE(bare_children_in_the_thick_of_it)
{
    fork_rounds(bare_round);
}

static void spawn_round(int i)
{
    char name[] = "true", *const args[] = {name, NULL};
    pid_t pid;

    if (i % 2) {
        must_be(posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ), 0);
    } else {
        pid = vfork();
        must(pid >= 0);
        if (pid == 0) {
            execv("/bin/true", args);
            _exit(1);
        }
    }
    must_be(child_end(pid, 12), 0);
}

HEALD_CASE(programs_started_in_the_thick_of_it)
{
    fork_rounds(spawn_round);
}

void add_fork(TCase *group)
{
    add(group, nothing_is_outstanding_in_the_child);
    add(group, the_child_has_its_own);
    add(group, the_childs_child_has_its_own);
    add(group, the_parent_does_not_see_the_childs);
    add(group, reads_land_in_the_parent);
    add(group, children_without_handlers_of_fork);
    add(group, the_childs_exit_cancels_nothing);
    add(group, forks_in_the_thick_of_it);
    add(group, bare_children_in_the_thick_of_it);
    add(group, programs_started_in_the_thick_of_it);
}
