/*
 * test/conformance/listeners.c: processes that listen at one path at once: one of them has it, and
 * can be reached; no loop is needed.
 */
#include "conformance/conformance.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { RACERS_MAX = 4, ROUNDS = 200, KILLS = 150 };

static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

/* Shared with the racers. */
struct race {
    int ready, done, go_home; /* atomic */
    int got[RACERS_MAX];      /* what heald_listen() returned; written before `done` is counted */
};

struct place {
    int dir;
    char path[64], text[96];
    struct heald_addr addr;
    struct race *race;
};

static struct place place_make(void)
{
    struct place p = {0};

    p.dir = dir_make(p.path);
    snprintf(p.text, sizeof p.text, "unix:%s/socket", p.path);
    ck_assert_int_eq(heald_addr_parse(p.text, &p.addr), 0);
    p.race = mmap(NULL, sizeof *p.race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p.race, MAP_FAILED);
    return p;
}

static void place_remove(struct place *p)
{
    munmap(p->race, sizeof *p->race);
    dir_remove(p->dir, p->path);
}

static void wait_for(int *count, int want)
{
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < want)
        sched_yield();
}

static void race_once(struct place *p, int index, int racers)
{
    __atomic_add_fetch(&p->race->ready, 1, __ATOMIC_SEQ_CST);
    wait_for(&p->race->ready, racers);
    p->race->got[index] = heald_listen(p->text, SOCK_STREAM, 8);
    __atomic_add_fetch(&p->race->done, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&p->race->go_home, __ATOMIC_SEQ_CST))
        usleep(20);
    _exit(0);
}

/* Returns how many of the racers listen; the others must have got the right error. */
static int race(struct place *p, int racers)
{
    pid_t children[RACERS_MAX];
    int winners = 0;

    *p->race = (struct race){0};
    for (int i = 0; i < racers; i++) {
        children[i] = fork();
        if (children[i] == 0)
            race_once(p, i, racers);
        must(children[i] > 0);
    }
    wait_for(&p->race->done, racers);
    for (int i = 0; i < racers; i++) {
        must(p->race->got[i] >= 0 || p->race->got[i] == -EADDRINUSE);
        winners += p->race->got[i] >= 0;
    }
    int fd = heald_socket(&p->addr, SOCK_STREAM);
    must(connect(fd, &p->addr.u.sa, p->addr.len) == 0);
    close(fd);
    __atomic_store_n(&p->race->go_home, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < racers; i++)
        must(waitpid(children[i], NULL, 0) == children[i]);
    return winners;
}

/* Index: 2 or 4 racers, where nothing lies, or the file of one that is gone. */
HEALD_CASE(one_of_those_who_start_at_once)
{
    struct place p = place_make();
    int racers = _i % 2 ? 4 : 2;

    for (int round = 0; round < ROUNDS; round++) {
        if (_i / 2)
            close(heald_listen(p.text, SOCK_STREAM, 1)); /* in the first round only a new one */
        else
            unlinkat(p.dir, "socket", 0);
        must(race(&p, racers) == 1);
    }
    place_remove(&p);
}

HEALD_CASE(none_beside_a_living_one)
{
    struct place p = place_make();
    int fd = heald_listen(p.text, SOCK_STREAM, 1024);

    for (int round = 0; round < ROUNDS / 3; round++)
        must(race(&p, 2) == 0);
    close(fd);
    place_remove(&p);
}

/* Does a connection to the path reach this listener? */
static bool reaches(const struct place *p, int listener)
{
    int fd = heald_socket(&p->addr, SOCK_STREAM), got = -1;

    if (connect(fd, &p->addr.u.sa, p->addr.len) == 0)
        got = accept(listener, NULL, NULL);
    close(fd);
    if (got >= 0)
        close(got);
    return got >= 0;
}

/* Listens again and again, until it is killed; counts what must not be. */
static void listen_on(struct place *p)
{
    for (;;) {
        int fd = heald_listen(p->text, SOCK_STREAM, 8);
        if (fd == -EADDRINUSE)
            continue;
        if (fd < 0 || !reaches(p, fd) || !reaches(p, fd))
            __atomic_add_fetch(&p->race->done, 1, __ATOMIC_SEQ_CST);
        close(fd);
    }
}

static pid_t start_listener(struct place *p)
{
    pid_t pid = fork();

    if (pid == 0)
        listen_on(p);
    must(pid > 0);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    must(waitpid(pid, NULL, 0) == pid);
}

/* Of several that come and go, one is killed somewhere, again and again. */
HEALD_CASE(a_kill_at_any_point_leaves_nothing)
{
    struct place p = place_make();
    pid_t children[3];

    *p.race = (struct race){0};
    for (int i = 0; i < 3; i++)
        children[i] = start_listener(&p);
    for (int round = 0; round < KILLS; round++) {
        usleep((useconds_t)(round * 37 % 700));
        end(children[round % 3]);
        children[round % 3] = start_listener(&p);
    }
    for (int i = 0; i < 3; i++)
        end(children[i]);
    ck_assert_int_eq(p.race->done, 0);
    /* One that comes now listens, and there is one file. */
    int fd = heald_listen(p.text, SOCK_STREAM, 8);
    ck_assert_int_ge(fd, 0);
    ck_assert(reaches(&p, fd));
    close(fd);
    ck_assert_int_eq(unlinkat(p.dir, "socket", 0), 0);
    munmap(p.race, sizeof *p.race);
    ck_assert_int_eq(rmdir(p.path), 0);
    close(p.dir);
}

static int open_at(const char *text, int type)
{
    return type == SOCK_DGRAM ? heald_bind(text, type) : heald_listen(text, type, 8);
}

static void check_in_use(const struct place *p)
{
    struct stat before, after;

    ck_assert_int_eq(fstatat(p->dir, "socket", &before, 0), 0);
    for (int t = 0; t < 3; t++)
        ck_assert_int_eq(open_at(p->text, types[t]), -EADDRINUSE);
    ck_assert_int_eq(fstatat(p->dir, "socket", &after, 0), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
}

/* Whatever its type, and before it listens; gone, it is replaced by one of any type. */
HEALD_CASE(what_is_in_use)
{
    struct place p = place_make();

    for (int t = 0; t < 3; t++) {
        int fd = socket(AF_UNIX, types[t] | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(fd, &p.addr.u.sa, p.addr.len), 0);
        check_in_use(&p);
        if (types[t] != SOCK_DGRAM) {
            ck_assert_int_eq(listen(fd, 1), 0);
            check_in_use(&p);
        }
        close(fd);
        fd = open_at(p.text, types[(t + 1) % 3]);
        ck_assert_int_ge(fd, 0);
        close(fd);
        unlinkat(p.dir, "socket", 0);
    }
    place_remove(&p);
}

HEALD_CASE(a_full_backlog_is_in_use)
{
    struct place p = place_make();
    int clients[16], count = 0, fd = heald_listen(p.text, SOCK_STREAM, 1);

    do
        clients[count] = heald_socket(&p.addr, SOCK_STREAM);
    while (connect(clients[count++], &p.addr.u.sa, p.addr.len) == 0 && count < 16);
    ck_assert_int_lt(count, 16);
    check_in_use(&p);
    for (int i = 0; i < count; i++)
        close(clients[i]);
    check_in_use(&p);
    close(fd);
    place_remove(&p);
}

/* A connection that it has accepted has its name, and does not keep it in use. */
HEALD_CASE(a_connection_outlives_its_listener)
{
    struct place p = place_make();
    int listener = heald_listen(p.text, SOCK_STREAM, 8);
    int client = heald_socket(&p.addr, SOCK_STREAM);

    ck_assert_int_eq(connect(client, &p.addr.u.sa, p.addr.len), 0);
    int server = accept(listener, NULL, NULL);
    ck_assert_int_ge(server, 0);
    close(listener);
    listener = heald_listen(p.text, SOCK_STREAM, 8);
    ck_assert_int_ge(listener, 0);
    ck_assert(reaches(&p, listener));
    ck_assert_int_eq(write(client, "x", 1), 1);
    close(listener);
    close(server);
    close(client);
    place_remove(&p);
}

/* By a name without a directory. */
HEALD_CASE(in_the_working_directory)
{
    struct place p = place_make();
    int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ck_assert_int_eq(fchdir(p.dir), 0);
    for (int i = 0; i < 2; i++) {
        int fd = heald_listen("unix:socket", SOCK_STREAM, 8);
        ck_assert_int_ge(fd, 0);
        ck_assert(reaches(&p, fd));
        close(fd);
    }
    ck_assert_int_eq(fchdir(home), 0);
    close(home);
    place_remove(&p);
}

void add_listeners(TCase *group)
{
    harness_add_range(group, one_of_those_who_start_at_once, 0, 4);
    add_once(group, none_beside_a_living_one);
    add_once(group, a_kill_at_any_point_leaves_nothing);
    add_once(group, what_is_in_use);
    add_once(group, a_full_backlog_is_in_use);
    add_once(group, a_connection_outlives_its_listener);
    add_once(group, in_the_working_directory);
}
