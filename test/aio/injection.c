/*
 * test/aio/injection.c: the kernel refuses a call of io_uring from a moment on, with each error
 * that it may say: a filter of system calls that comes late. None of these errors is the
 * program's: its requests end as read(2) and write(2) would have them end, once, and no call waits.
 * Each in a child of a process that has not used AIO.
 */
#include "aio/suite.h"
#include "harness/filter.h"

#include <sys/ioctl.h>

/* From when on. */
enum moment { FROM_THE_FIRST, AFTER_A_REST, WHILE_SOME_WAIT };

enum {
    EARLY = 8, /* requests of a kind before the filter, if it comes in the middle; */
    ALL = 12,  /* so many in all */
    LARGE = 1 << 20,
    SMALL = 1000,
    FULL = 1 << 16,
    APPENDED = SMALL * ALL * (ALL + 1) / 2,
    USED = 100,
    ERRORS_MAX = 8
};

struct refusal {
    unsigned call;
    int err;
    enum moment moment;
};

/* Of each kind that goes on differently: what waits, what is cancelled, what a worker copies, what
 * has an order, what has lost its number. */
struct scene {
    int waits[2], canceled[2], full[2], file, log, gone, kept, sockets[2];
    size_t filled;
    bool may_lose; /* the ring is gone, and with it what it alone knows */
    char bytes[ALL], byte, *data, *seen, received[SMALL];
    struct aiocb reads[ALL], read, write, writes[ALL], appends[ALL], last[EARLY], sync, receive;
};

/* Of all threads. */
static void refuse(unsigned call, int err)
{
    must_be(filter_set(call, SECCOMP_RET_ERRNO | (unsigned)err, SECCOMP_FILTER_FLAG_TSYNC), 0);
    must_be(syscall(call, -1, 0, 0, 0, 0, 0), -1);
    must_be(errno, err);
}

static struct scene *scene_make(void)
{
    struct scene *s = calloc(1, sizeof *s);

    pipe_make(s->waits);
    pipe_make(s->canceled);
    pipe_make(s->full);
    pair_make(SOCK_STREAM, s->sockets);
    s->filled = fill(s->full[1]);
    s->file = file_make();
    s->log = file_make();
    must_be(fcntl(s->log, F_SETFL, O_APPEND), 0);
    s->gone = file_make();
    s->kept = dup(s->gone);
    s->data = malloc(LARGE);
    s->seen = malloc(LARGE);
    pattern_fill(s->data, LARGE, 0, 5);
    return s;
}

/* Done and waited for; large ones make use of the ring's workers, and of its places for files. */
static void some_requests(const struct scene *s)
{
    for (int i = 0; i < USED; i++) {
        size_t size = i % 8 ? SMALL : LARGE;
        must_be(write_now(s->file, s->data, size, 0), size);
        memset(s->seen, 0, size);
        must_be(read_now(s->file, s->seen, size, 0), size);
        must_be(memcmp(s->seen, s->data, size), 0);
    }
}

static size_t append_size(int i)
{
    return (size_t)SMALL * (1 + (size_t)i);
}

static void start_early(struct scene *s)
{
    for (int i = 0; i < EARLY; i++) {
        start_read(&s->reads[i], s->waits[0], &s->bytes[i], 1, 0);
        start_write(&s->appends[i], s->log, s->data, append_size(i), 0);
        start_write(&s->writes[i], s->file, s->data, LARGE, (off_t)i * LARGE);
        start_write(&s->last[i], s->gone, s->data, LARGE, (off_t)i * LARGE);
    }
    start_read(&s->read, s->canceled[0], &s->byte, 1, 0);
    start_write(&s->write, s->full[1], s->data, FULL, 0);
    start_read(&s->receive, s->sockets[0], s->received, SMALL, 0);
}

static void start_more(struct scene *s)
{
    for (int i = EARLY; i < ALL; i++) {
        start_read(&s->reads[i], s->waits[0], &s->bytes[i], 1, 0);
        start_write(&s->appends[i], s->log, s->data, append_size(i), 0);
        start_write(&s->writes[i], s->file, s->data, LARGE, (off_t)i * LARGE);
    }
    s->sync = block(s->file, NULL, 0, 0);
    must_be(aio_fsync(O_SYNC, &s->sync), 0);
}

static void file_holds_the_data(struct scene *s, int fd, size_t size, off_t at)
{
    memset(s->seen, 0, size);
    must_be(pread(fd, s->seen, size, at), size);
    must_be(memcmp(s->seen, s->data, size), 0);
}

static void file_is_whole(struct scene *s)
{
    must_be(result_of(&s->sync), 0);
    for (int i = 0; i < ALL; i++) {
        must_be(result_of(&s->writes[i]), LARGE);
        file_holds_the_data(s, s->file, LARGE, (off_t)i * LARGE);
    }
}

/* The one that had begun when the ring ended may have been performed: only the file's length says
 * so. All others are there, in order. */
static void appends_are_in_order(struct scene *s)
{
    off_t at = 0;
    int lost = -1;

    for (int i = 0; i < ALL; i++) {
        ssize_t n = result_of(&s->appends[i]);
        if (s->may_lose && lost < 0 && n == -EIO)
            lost = i;
        else
            must_be(n, append_size(i));
    }
    off_t end = lseek(s->log, 0, SEEK_END);
    bool left_out = lost >= 0 && end == APPENDED - (off_t)append_size(lost);
    for (int i = 0; i < ALL; i++) {
        if (i == lost && left_out)
            continue;
        file_holds_the_data(s, s->log, append_size(i), at);
        at += (off_t)append_size(i);
    }
    must_be(at, end);
}

/* What is known by a place in the ring alone ends with the ring. glibc uses the number. */
static void writes_to_a_closed_number_end(struct scene *s)
{
    for (int i = 0; i < EARLY; i++) {
        ssize_t n = result_of(&s->last[i]);
        if (n == LARGE)
            file_holds_the_data(s, s->kept, LARGE, (off_t)i * LARGE);
        else
            must((s->may_lose && n == -EIO) || (on_libc() && n == -EBADF));
    }
}

static void streams_go_on(struct scene *s)
{
    must_be(write(s->waits[1], "abcdefghijkl", ALL), ALL);
    for (int i = 0; i < ALL; i++) {
        must_be(result_of(&s->reads[i]), 1);
        must_be(s->bytes[i], 'a' + i);
    }
    drain(s->full[0], s->filled);
    must_be(read(s->full[0], s->seen, 1), 1);
    drain(s->full[0], FULL - 1);
    must_be(s->seen[0], s->data[0]);
    must_be(result_of(&s->write), FULL);
    must_be(write(s->sockets[1], s->data, SMALL), SMALL);
    must_be(result_of(&s->receive), SMALL);
    must_be(memcmp(s->received, s->data, SMALL), 0);
}

/* Cancelled it took nothing, otherwise it takes what comes. */
static void cancel_one(struct scene *s)
{
    int said = aio_cancel(s->canceled[0], &s->read);

    must(said == AIO_CANCELED || said == AIO_NOTCANCELED);
    must_be(write(s->canceled[1], "x", 1), 1);
    must_be(result_of(&s->read), said == AIO_CANCELED ? -ECANCELED : 1);
    if (said == AIO_CANCELED)
        must_be(read(s->canceled[0], &s->byte, 1), 1);
    must_be(s->byte, 'x');
}

static void all_end(struct scene *s)
{
    must_be(close(s->gone), 0);
    cancel_one(s);
    streams_go_on(s);
    file_is_whole(s);
    appends_are_in_order(s);
    writes_to_a_closed_number_end(s);
    some_requests(s);
}

static void refuses_from_a_moment(void *arg)
{
    const struct refusal *refusal = arg;
    struct scene *s = scene_make();

    s->may_lose =
        on_uring() && refusal->call == SYS_io_uring_enter && refusal->moment == WHILE_SOME_WAIT;
    if (refusal->moment != FROM_THE_FIRST)
        some_requests(s);
    if (refusal->moment != WHILE_SOME_WAIT)
        refuse(refusal->call, refusal->err);
    start_early(s);
    if (refusal->moment == WHILE_SOME_WAIT)
        refuse(refusal->call, refusal->err);
    start_more(s);
    all_end(s);
}

/* All errors at a time: most of the time of each is the ring's patience. */
static void each_refusal(unsigned call, const int *errors, int count, enum moment moment)
{
    pid_t children[ERRORS_MAX];
    int failed = 0;

    for (int i = 0; i < count; i++) {
        struct refusal refusal = {call, errors[i], moment};
        children[i] = child_start(refuses_from_a_moment, &refusal);
    }
    for (int i = 0; i < count; i++)
        if (child_end(children[i], 15) != 0) {
            fprintf(stderr, "fails where the kernel says: %s\n", strerror(errors[i]));
            failed++;
        }
    must_be(failed, 0);
}

static void enter_refused(enum moment moment)
{
    static const int errors[] = {EAGAIN, EBUSY, ENOMEM, EPERM, EACCES, ENOSYS};

    each_refusal(SYS_io_uring_enter, errors, sizeof errors / sizeof *errors, moment);
}

static void register_refused(enum moment moment)
{
    static const int errors[] = {ENOMEM, EPERM, EACCES, EBUSY};

    each_refusal(SYS_io_uring_register, errors, sizeof errors / sizeof *errors, moment);
}

/* So many calls, from one on; what is refused for so short a time is lost to nobody. */
struct spell {
    int err, from, count, listener;
};

static void *answer_calls(void *arg)
{
    const struct spell *spell = arg;

    for (int calls = 1;; calls++) {
        struct seccomp_notif call = {0};
        struct seccomp_notif_resp answer = {0};
        while (ioctl(spell->listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
            must(errno == EINTR || errno == ENOENT);
        answer.id = call.id;
        if (calls >= spell->from && calls < spell->from + spell->count)
            answer.error = -spell->err;
        else
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        must(ioctl(spell->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno == ENOENT);
    }
    return NULL;
}

static void refuses_for_a_spell(void *arg)
{
    struct spell *spell = arg;
    struct scene *s = scene_make();

    spell->listener =
        filter_set(SYS_io_uring_enter, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    must(spell->listener >= 0);
    thread_start(answer_calls, spell);
    start_early(s);
    start_more(s);
    all_end(s);
}

/* The first calls are the library's, to see what the ring can do. */
HEALD_CASE(enter_refused_for_a_spell)
{
    static const int errors[] = {EAGAIN, EINTR};
    uint32_t action = SECCOMP_RET_USER_NOTIF;

    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
        harness_skip("this kernel lets nobody answer system calls");
    for (int from = 1; from <= (on_uring() ? 4 : 1); from++)
        for (int count = 1; count <= 8; count *= 8)
            for (int i = 0; i < 2; i++)
                in_child(refuses_for_a_spell, &(struct spell){errors[i], from, count, -1});
}

#define REFUSAL_CASES(call)                    \
    HEALD_CASE(call##_refused_from_the_first)  \
    {                                          \
        call##_refused(FROM_THE_FIRST);        \
    }                                          \
    HEALD_CASE(call##_refused_after_a_rest)    \
    {                                          \
        call##_refused(AFTER_A_REST);          \
    }                                          \
    HEALD_CASE(call##_refused_while_some_wait) \
    {                                          \
        call##_refused(WHILE_SOME_WAIT);       \
    }

REFUSAL_CASES(enter)
REFUSAL_CASES(register)

void add_injection(TCase *group)
{
    add(group, enter_refused_from_the_first);
    add(group, enter_refused_after_a_rest);
    add(group, enter_refused_while_some_wait);
    add(group, enter_refused_for_a_spell);
    add(group, register_refused_from_the_first);
    add(group, register_refused_after_a_rest);
    add(group, register_refused_while_some_wait);
}
