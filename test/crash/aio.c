/*
 * test/crash/aio.c: kills a process at instructions of its calls of <aio.h>, with the drop-in, and
 * looks for what the kernel has kept of it. The calling thread is stepped (ptrace(2)); the I/O
 * thread and those of its pools run as they like and die wherever they are.
 *
 * The victim has the only read end of a pipe, a lock (flock(2)) on a file that it has open, and the
 * file's bytes and the pipe's go to and from a memfd that it has mapped. Within a second of the
 * kill it must be reaped, a writer must get EPIPE, the lock and a lease on the file must be had
 * (nobody else has it open), and the memfd must take a seal against writing (nobody maps it, and no
 * page of it is pinned for a device).
 *
 * HEALD_CRASH_STRIDE=N as in crash.c.
 */
#include "harness/harness.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* By default: so many kills in a case, or fewer if that would be more steps. */
enum { KILLS = 40, STEPS = 30 * 1000 };

enum { BLOCK = 4096, BLOCKS = 8, POLL_US = 100, SECONDS = 600 };

static const char *const waiters[][2] = {
    {NULL, NULL}, {"HEALD_NO_URING", "1"}, {"HEALD_AWAIT", "thread"}};

enum { WAITERS = sizeof waiters / sizeof waiters[0] };

/* What the director looks at, and the victim's ends of it. */
struct stage {
    const char *const *waiter;
    bool warm;   /* the I/O thread is there, and has something that lasts */
    bool leases; /* the file system has them */
    char path[32];
    int file, memory, pipe[2];
    pid_t victim;
    cpu_set_t all, one; /* processors: a step is two switches on one, and a wake between two */
};

struct tally {
    unsigned long kills, length;
    int64_t slowest_ns[4];
};

static const char *const traces[] = {"the process", "the pipe", "the file", "the memory"};

static int64_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The victim. */

static struct aiocb block_at(int fd, char *buf, off_t offset)
{
    return (struct aiocb){.aio_fildes = fd,
                          .aio_buf = buf,
                          .aio_nbytes = BLOCK,
                          .aio_offset = offset,
                          .aio_lio_opcode = LIO_READ,
                          .aio_sigevent.sigev_notify = SIGEV_NONE};
}

static void must(bool condition)
{
    if (!condition)
        abort();
}

static int open_file(const struct stage *st)
{
    int fd = open(st->path, O_RDWR | O_DIRECT | O_CLOEXEC);
    return fd >= 0 ? fd : open(st->path, O_RDWR | O_CLOEXEC);
}

/* What is stepped: each call, on a file and on the pipe; what lasts is left behind. */
static void act(struct stage *st, int file, char *memory)
{
    static struct aiocb cb[6];
    struct aiocb *list[] = {&cb[2], &cb[3]};
    const struct aiocb *one[] = {&cb[1]};
    int other = dup(st->pipe[0]);

    cb[0] = block_at(st->pipe[0], memory, 0);
    cb[1] = block_at(file, memory + BLOCK, 0);
    cb[2] = block_at(file, memory + 2 * BLOCK, BLOCK);
    cb[3] = block_at(other, memory + 3 * BLOCK, 0);
    cb[4] = block_at(file, memory + 4 * BLOCK, 0);
    must(aio_read(&cb[0]) == 0);
    must(aio_write(&cb[1]) == 0);
    must(lio_listio(LIO_NOWAIT, list, 2, NULL) == 0);
    must(aio_suspend(one, 1, NULL) == 0 && aio_return(&cb[1]) == BLOCK);
    must(aio_fsync(O_DSYNC, &cb[4]) == 0);
    must(aio_cancel(other, &cb[3]) >= 0);
    must(close(other) == 0);
}

static void live(struct stage *st)
{
    static struct aiocb lasting;
    int file = open_file(st);
    char *memory = mmap(NULL, BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, st->memory, 0);

    must(file >= 0 && memory != MAP_FAILED && flock(file, LOCK_EX | LOCK_NB) == 0);
    close(st->pipe[1]);
    close(st->file);
    close(st->memory);
    if (st->waiter[0])
        setenv(st->waiter[0], st->waiter[1], 1);
    lasting = block_at(st->pipe[0], memory + (BLOCKS - 1) * BLOCK, 0);
    /* The I/O thread, where it is there by now, has the other processors, too. */
    sched_setaffinity(0, sizeof st->all, &st->all);
    must(!st->warm || aio_read(&lasting) == 0);
    sched_setaffinity(0, sizeof st->one, &st->one);
    raise(SIGSTOP);
    act(st, file, memory);
    raise(SIGSTOP);
    _exit(0);
}

/* The director. */

static void set_stage(struct stage *st)
{
    flock(st->file, LOCK_UN);
    fcntl(st->file, F_SETLEASE, F_UNLCK);
    st->memory = memfd_create("aio-crash", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(st->memory, 0);
    ck_assert_int_eq(ftruncate(st->memory, BLOCKS * BLOCK), 0);
    ck_assert_int_eq(pipe2(st->pipe, O_CLOEXEC), 0);
    st->victim = fork();
    if (st->victim == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        live(st);
    }
    close(st->pipe[0]);
    ck_assert_int_eq(fcntl(st->pipe[1], F_SETFL, O_NONBLOCK), 0);
}

static void clear_stage(struct stage *st)
{
    close(st->memory);
    close(st->pipe[1]);
}

/* Steps the victim so far, or to its end: how far. */
static unsigned long step(struct stage *st, unsigned long steps)
{
    unsigned long made = 0;
    int status;

    ck_assert_int_eq(waitpid(st->victim, &status, 0), st->victim);
    ck_assert_msg(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "it did not get so far");
    for (; made < steps; made++) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, st->victim, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(st->victim, &status, 0), st->victim);
        ck_assert(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP)
            break;
        ck_assert_int_eq(WSTOPSIG(status), SIGTRAP);
    }
    return made;
}

static bool is_reaped(struct stage *st)
{
    return waitpid(st->victim, NULL, WNOHANG) == st->victim;
}

static bool is_pipe_broken(struct stage *st)
{
    return write(st->pipe[1], "x", 1) < 0 && errno == EPIPE;
}

static bool is_file_free(struct stage *st)
{
    return flock(st->file, LOCK_EX | LOCK_NB) == 0 &&
           (!st->leases || fcntl(st->file, F_SETLEASE, F_WRLCK) == 0);
}

static bool is_memory_free(struct stage *st)
{
    return fcntl(st->memory, F_ADD_SEALS, F_SEAL_WRITE) == 0;
}

static void kill_and_look(struct stage *st, struct tally *tally, unsigned long at)
{
    static bool (*const gone[])(struct stage *) = {is_reaped, is_pipe_broken, is_file_free,
                                                   is_memory_free};
    int64_t begin = now(), limit = (int64_t)1000000000 * harness_slow();

    ck_assert_int_eq(kill(st->victim, SIGKILL), 0);
    for (unsigned i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        while (!gone[i](st)) {
            ck_assert_msg(now() - begin < limit, "%s is held after a kill at instruction %lu: %s",
                          traces[i], at, strerror(errno));
            usleep(POLL_US);
        }
        if (now() - begin > tally->slowest_ns[i])
            tally->slowest_ns[i] = now() - begin;
    }
    tally->kills++;
}

static unsigned long play(struct stage *st, struct tally *tally, unsigned long steps)
{
    set_stage(st);
    unsigned long made = step(st, steps);
    kill_and_look(st, tally, made);
    clear_stage(st);
    return made;
}

/* Without a name, so that nothing is left of it; the victim opens it by way of our descriptor. */
static void make_file(struct stage *st)
{
    static char zeros[BLOCKS * BLOCK];
    char name[] = "aio-crash-XXXXXX";

    st->file = mkostemp(name, O_CLOEXEC);
    ck_assert_int_ge(st->file, 0);
    unlink(name);
    ck_assert_int_eq(write(st->file, zeros, sizeof zeros), sizeof zeros);
    snprintf(st->path, sizeof st->path, "/proc/self/fd/%d", st->file);
    st->leases = fcntl(st->file, F_SETLEASE, F_WRLCK) == 0;
}

static void choose_processor(struct stage *st)
{
    ck_assert_int_eq(sched_getaffinity(0, sizeof st->all, &st->all), 0);
    CPU_ZERO(&st->one);
    CPU_SET((size_t)sched_getcpu(), &st->one);
    sched_setaffinity(0, sizeof st->one, &st->one);
}

static unsigned long stride_for(unsigned long length)
{
    unsigned long kills = 2UL * STEPS / length;

    return length / (kills < KILLS ? kills + 1 : KILLS) + 1;
}

/* The victim's end may differ from play to play: its threads are not stepped. */
HEALD_CASE(nothing_is_left)
{
    const char *text = getenv("HEALD_CRASH_STRIDE");
    struct stage st = {.waiter = waiters[_i / 2], .warm = _i % 2};
    struct tally tally = {0};

    signal(SIGPIPE, SIG_IGN);
    make_file(&st);
    choose_processor(&st);
    tally.length = play(&st, &tally, ULONG_MAX);
    unsigned long stride = text ? strtoul(text, NULL, 10) : stride_for(tally.length);
    ck_assert_uint_gt(stride, 0);
    for (unsigned long n = 0; n < tally.length; n += stride)
        play(&st, &tally, n);
    close(st.file);
    printf("     %s%s%s: %lu kills within %lu instructions; slowest: ",
           st.waiter[0] ? st.waiter[0] : "uring", st.waiter[0] ? "=" : "",
           st.waiter[0] ? st.waiter[1] : "", tally.kills, tally.length);
    for (unsigned i = 0; i < sizeof traces / sizeof traces[0]; i++)
        printf("%s %lld us%s", traces[i], (long long)(tally.slowest_ns[i] / 1000),
               i + 1 < sizeof traces / sizeof traces[0] ? ", " : "\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    harness_bind_now(argc, argv);
    Suite *suite = suite_create("aio-crash");
    TCase *group = harness_group(suite, "aio-crash");

    harness_limit(group, SECONDS);
    harness_add_range(group, nothing_is_left, 0, 2 * WAITERS);
    return harness_run(suite);
}
