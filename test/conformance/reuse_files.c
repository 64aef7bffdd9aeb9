/*
 * test/conformance/reuse_files.c: the number of a closed file or directory is used again at once,
 * also while all threads of the pool are busy; and what a close means to the file ops before it.
 *
 * A scene: one op names an old file or directory; that is closed in one of three ways at one of
 * four moments; another file or directory, or a pipe, gets its number and a fresh op. The old op
 * completes once, with what it did to the old object, or with -ECANCELED and without having done
 * anything.
 */
#include "conformance/reuse.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Those on a file, and those that name a directory. */
enum kind { WRITE, WRITE_AT, WRITEV, READ, READ_AT, READV, FSYNC, FILE_KINDS };
enum { OPEN = FILE_KINDS, BENEATH, CREATE, STAT_NAME, STAT_SELF, KINDS };

static const char *const kind_names[] = {"write",   "write at", "writev", "read",
                                         "read at", "readv",    "fsync",  "open",
                                         "beneath", "create",   "stat",   "fstat"};

enum { THREADS = 2, ROOM = 64 };

/* Two directories, each with a file "f"; a FIFO that keeps threads busy. */
struct place {
    char path[64], fifo[80];
    int dir, old_dir, new_dir;
    bool pool; /* the engine has one */
    struct heald_loop *loop;
    struct probe busy[THREADS];
    bool is_busy;
};

struct scene {
    struct place *at;
    unsigned kind;
    enum reuse_how how;
    enum reuse_when when;
    bool busy, pipe; /* the number becomes a pipe, not another of its kind */
    int fd, peer, fresh_peer;
    struct probe op, close, fresh, late;
    struct heald_stat stat, fresh_stat;
    struct iovec iov;
    char in[ROOM], got[ROOM];
};

__attribute__((noreturn)) static void scene_fails(const struct scene *s, const char *what)
{
    ck_abort_msg("%s, %s, %s, then %s%s: %s; result %d, fresh %d", kind_names[s->kind],
                 reuse_when_names[s->when], reuse_how_names[s->how],
                 s->pipe ? "a pipe" : "its kind", s->busy ? ", threads busy" : "", what,
                 (int)s->op.result, (int)s->fresh.result);
}

#define holds(s, condition, what)     \
    do {                              \
        if (!(condition))             \
            scene_fails((s), (what)); \
    } while (0)

static void await(struct scene *s, struct probe *p, const char *what)
{
    holds(s, reuse_await(s->at->loop, &p->finals), what);
}

static void put(int dir, const char *text)
{
    int fd = openat(dir, "f", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0);
    must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int make_dir(int dir, const char *name)
{
    must(mkdirat(dir, name, 0700) == 0);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0);
    return fd;
}

static void place_open(struct place *at, int combination)
{
    *at = (struct place){.pool = strcmp(engine_of(combination), "threads") == 0};
    at->loop = loop_with(combination, (struct heald_loop_options){.pool_threads = THREADS});
    at->dir = dir_make(at->path);
    at->old_dir = make_dir(at->dir, "old");
    at->new_dir = make_dir(at->dir, "new");
    snprintf(at->fifo, sizeof at->fifo, "%s/fifo", at->path);
    must(mkfifo(at->fifo, 0600) == 0);
}

static void place_close(struct place *at)
{
    close(at->old_dir);
    close(at->new_dir);
    dir_remove(at->dir, at->path);
    loop_end(at->loop);
}

/* Nobody writes to the FIFO: to open it takes a thread until release(). */
/* How many numbers an open(2) that has not returned has taken: they are not open, and not free. */
static int count_taken(void)
{
    int count = 0;

    for (int number = 0; number < 128; number++) {
        int fd = reuse_is_open(number) ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, number);
        count += fd > number;
        if (fd >= 0)
            close(fd);
    }
    return count;
}

/* Until each has taken its number: none takes one that is closed from here on. */
static void keep_busy(struct place *at)
{
    int64_t until = now() + 5 * harness_slow() * HEALD_SEC;

    at->is_busy = true;
    for (int i = 0; i < THREADS; i++) {
        heald_prep_open(&at->busy[i].op, AT_FDCWD, at->fifo, O_RDONLY, 0);
        probe_start(at->loop, &at->busy[i]);
    }
    while (count_taken() < THREADS && now() < until)
        usleep(100);
}

static void release(struct place *at)
{
    if (!at->is_busy)
        return;
    at->is_busy = false;
    int fd = open(at->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    must(fd >= 0);
    for (int i = 0; i < THREADS; i++) {
        probe_end(&at->busy[i]);
        must(at->busy[i].result >= 0);
        close((int)at->busy[i].result);
    }
    close(fd);
}

static void start(struct scene *s)
{
    struct heald_op *op = &s->op.op;
    bool out = s->kind <= WRITEV;
    int fd = s->fd;

    memcpy(s->in, "DATA", 4);
    s->iov = (struct iovec){s->in, out ? 4 : ROOM};
    switch (s->kind) {
    case WRITE: heald_prep_write(op, fd, s->in, 4, HEALD_NO_OFFSET); break;
    case WRITE_AT: heald_prep_write(op, fd, s->in, 4, 4); break;
    case WRITEV: heald_prep_writev(op, fd, &s->iov, 1, 0); break;
    case READ: heald_prep_read(op, fd, s->in, ROOM, HEALD_NO_OFFSET); break;
    case READ_AT: heald_prep_read(op, fd, s->in, ROOM, 0); break;
    case READV: heald_prep_readv(op, fd, &s->iov, 1, HEALD_NO_OFFSET); break;
    case FSYNC: heald_prep_fsync(op, fd, 0); break;
    case OPEN: heald_prep_open(op, fd, "f", O_RDONLY, 0); break;
    case BENEATH: heald_prep_open_beneath(op, fd, "f", O_RDONLY, 0); break;
    case CREATE: heald_prep_open(op, fd, "made", O_RDWR | O_CREAT, 0600); break;
    case STAT_NAME: heald_prep_stat(op, fd, "f", 0, &s->stat); break;
    default: heald_prep_stat(op, fd, "", 0, &s->stat); break;
    }
    probe_start(s->at->loop, &s->op);
}

static void use(struct scene *s)
{
    bool file = s->kind < FILE_KINDS;
    struct reuse_end end;

    s->fresh_peer = -1;
    if (s->pipe) {
        reuse_take(&end, REUSE_PIPE_IN, s->fd);
        s->fresh_peer = end.peer;
    } else {
        int fd = openat(s->at->new_dir, file ? "f" : ".", file ? O_RDWR : O_RDONLY);
        must(fd >= 0);
        reuse_move(fd, s->fd);
    }
    if (s->pipe || file)
        heald_prep_read(&s->fresh.op, s->fd, s->got, ROOM, HEALD_NO_OFFSET);
    else
        heald_prep_stat(&s->fresh.op, s->fd, "f", 0, &s->fresh_stat);
    probe_start(s->at->loop, &s->fresh);
}

/* Closes the old descriptor. What comes after a close op is too late. */
static void end_old(struct scene *s)
{
    struct heald_loop *loop = s->at->loop;

    if (s->how == REUSE_CLOSE) {
        holds(s, heald_close(loop, s->fd) == 0, "heald_close fails");
        return;
    }
    if (s->how == REUSE_FORGET) {
        heald_forget(loop, s->fd);
        close(s->fd);
        return;
    }
    heald_prep_close(&s->close.op, s->fd);
    probe_start(loop, &s->close);
    heald_prep_stat(&s->late.op, s->fd, "", 0, &s->fresh_stat);
    probe_start(loop, &s->late);
    release(s->at);
    await(s, &s->close, "the close op does not complete");
    await(s, &s->late, "an op after the close does not complete");
    holds(s, s->close.result == 0, "the close op failed");
    holds(s, s->late.result == -EBADF, "an op after the close is taken");
}

static int64_t size_of(int dir, const char *name, uint64_t *ret_ino)
{
    struct stat st;

    if (fstatat(dir, name, &st, 0) < 0)
        return -1;
    *ret_ino = st.st_ino;
    return st.st_size;
}

static bool holds_text(int dir, const char *text)
{
    char buf[ROOM] = "";
    int fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);

    must(fd >= 0);
    must(read(fd, buf, ROOM - 1) >= 0);
    close(fd);
    return strcmp(buf, text) == 0;
}

static void check_opened(struct scene *s)
{
    struct stat st, want;
    const char *name = s->kind == CREATE ? "made" : "f";

    holds(s, fstatat(s->at->old_dir, name, &want, 0) == 0, "not made where it should be");
    must(fstat((int)s->op.result, &st) == 0);
    holds(s, st.st_ino == want.st_ino, "another file was opened");
    close((int)s->op.result);
}

static void check_old(struct scene *s)
{
    int64_t result = s->op.result;
    bool done = result != -ECANCELED;
    uint64_t ino = 0, want = 0;
    const char *text = "old-data";

    holds(s, done || s->how != REUSE_CLOSE_OP || s->when == REUSE_CANCELLED,
          "cancelled, although it came before the close op");
    if (done && s->kind <= WRITEV) {
        holds(s, result == 4, "a write has another's result");
        text = s->kind == WRITE_AT ? "old-DATA" : "DATAdata";
    } else if (done && s->kind <= READV) {
        holds(s, result == 8 && memcmp(s->in, "old-data", 8) == 0, "a read has other data");
    } else if (done && s->kind >= OPEN && s->kind <= CREATE) {
        holds(s, result >= 0, "an open has another's result");
        check_opened(s);
    } else if (done) {
        holds(s, result == 0, "another's result");
    }
    if (done && s->kind >= STAT_NAME) {
        size_of(s->at->old_dir, s->kind == STAT_SELF ? "." : "f", &want);
        holds(s, s->stat.ino == want, "the facts of another file");
    }
    holds(s, holds_text(s->at->old_dir, text), "the old file has other data than the result says");
    if (size_of(s->at->old_dir, "made", &ino) >= 0) {
        holds(s, done, "made, and said to be cancelled");
        must(unlinkat(s->at->old_dir, "made", 0) == 0);
    }
}

static void check_new(struct scene *s)
{
    uint64_t ino = 0;

    holds(s, holds_text(s->at->new_dir, "new-data-f"), "the new file was written to");
    holds(s, size_of(s->at->new_dir, "made", &ino) < 0, "made in the new directory");
    if (s->pipe)
        holds(s, s->fresh.result == 4 && memcmp(s->got, "new!", 4) == 0, "the pipe lost data");
    else if (s->kind < FILE_KINDS)
        holds(s, s->fresh.result == 10 && memcmp(s->got, "new-data-f", 10) == 0,
              "the new file was read from");
    else
        holds(s, s->fresh.result == 0 && s->fresh_stat.size == 10, "the new directory is not new");
    must(heald_close(s->at->loop, s->fd) == 0);
    if (s->fresh_peer >= 0)
        close(s->fresh_peer);
}

/* An op that runs keeps the number. */
static void await_free(struct scene *s)
{
    release(s->at);
    await(s, &s->op, "the old op does not complete");
    holds(s, !reuse_is_open(s->fd), "still open when nothing uses it any more");
}

static void run_scene(struct scene *s)
{
    struct place *at = s->at;
    bool file = s->kind < FILE_KINDS;

    put(at->old_dir, "old-data");
    put(at->new_dir, "new-data-f");
    s->fd = openat(at->old_dir, file ? "f" : ".", (file ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    must(s->fd >= 0);
    if (s->busy)
        keep_busy(at);
    start(s);
    if (s->when == REUSE_ARMED)
        turn_for(at->loop, 0);
    else if (s->when == REUSE_CANCELLED)
        heald_cancel(&s->op.op);
    else if (s->when == REUSE_DUE)
        usleep(1000);
    end_old(s);
    if (reuse_is_open(s->fd))
        await_free(s);
    use(s);
    release(at);
    await(s, &s->op, "the old op does not complete");
    await(s, &s->fresh, "the fresh op does not complete");
    check_old(s);
    check_new(s);
}

static void run_all(int combination, enum reuse_when when, bool busy)
{
    struct place at;

    place_open(&at, combination);
    for (unsigned k = 0; k < KINDS * (!busy || at.pool); k++)
        for (unsigned n = 0; n < 2 * REUSE_HOWS; n++) {
            struct scene s = {.at = &at, .kind = k, .when = when, .busy = busy};
            s.how = (enum reuse_how)(n % REUSE_HOWS);
            s.pipe = n >= REUSE_HOWS;
            run_scene(&s);
        }
    place_close(&at);
}

HEALD_CASE(a_file_right_after_the_submit)
{
    run_all(_i, REUSE_SUBMITTED, false);
}

HEALD_CASE(a_file_while_the_op_runs)
{
    run_all(_i, REUSE_ARMED, false);
}

HEALD_CASE(a_file_when_a_result_is_due)
{
    run_all(_i, REUSE_DUE, false);
}

HEALD_CASE(a_file_between_a_cancel_and_its_completion)
{
    run_all(_i, REUSE_CANCELLED, false);
}

HEALD_CASE(a_file_while_all_threads_are_busy)
{
    if (strcmp(engine_of(_i), "threads") != 0)
        harness_skip("engine %s: has no threads to keep busy", engine_of(_i));
    run_all(_i, REUSE_SUBMITTED, true);
    run_all(_i, REUSE_CANCELLED, true);
}

/*
 * An op that runs keeps the number taken; what is submitted meanwhile comes too late. (A ring opens
 * a FIFO without waiting, unless O_CREAT sends it to a worker.)
 */
HEALD_CASE(what_runs_keeps_the_number)
{
    struct heald_stat stat;
    struct place at;

    if (strcmp(engine_of(_i), "sync") == 0)
        harness_skip("engine sync: nothing runs beside the loop");
    place_open(&at, _i);
    for (int beneath = 0; beneath < 2; beneath++) {
        struct probe p = {0}, late[3] = {0};
        int dir = dup(at.dir);
        if (beneath)
            heald_prep_open_beneath(&p.op, dir, "fifo", O_RDONLY | O_CREAT, 0600);
        else
            heald_prep_open(&p.op, dir, "fifo", O_RDONLY | O_CREAT, 0600);
        probe_start(at.loop, &p);
        turn_for(at.loop, 5 * HEALD_MS);
        ck_assert_int_eq(p.finals, 0);
        ck_assert_int_eq(heald_close(at.loop, dir), 0);
        heald_prep_stat(&late[0].op, dir, "", 0, &stat);
        heald_prep_fsync(&late[1].op, dir, 0);
        heald_prep_close(&late[2].op, dir);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(probe_do(at.loop, &late[i]), -EBADF);
        int writer = -1;
        if (reuse_is_open(dir))
            writer = open(at.fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        ck_assert_msg(reuse_await(at.loop, &p.finals), writer < 0
                                                           ? "the number is free, its op still runs"
                                                           : "the open does not complete");
        int64_t result = p.result;
        ck_assert(writer < 0 ? result == -ECANCELED : result >= 0 || result == -ECANCELED);
        turn_for(at.loop, 0);
        ck_assert(!reuse_is_open(dir));
        if (result >= 0)
            close((int)result);
        if (writer >= 0)
            close(writer);
    }
    place_close(&at);
}

/* A close op comes after the file ops that were submitted before it. */
HEALD_CASE(a_close_op_comes_last)
{
    enum { FILES = 8, OPS = 4, ROUNDS = 40 };
    struct place at;

    place_open(&at, _i);
    put(at.old_dir, "old-data");
    for (int round = 0; round < ROUNDS; round++) {
        struct probe p[FILES][OPS] = {0}, c[FILES] = {0};
        for (int f = 0; f < FILES; f++) {
            int fd = openat(at.old_dir, "f", O_RDWR | O_CLOEXEC);
            must(fd >= 0);
            for (int i = 0; i < OPS; i++) {
                heald_prep_write(&p[f][i].op, fd, "DATA", 4, 4 * i);
                probe_start(at.loop, &p[f][i]);
            }
            heald_prep_close(&c[f].op, fd);
            probe_start(at.loop, &c[f]);
        }
        for (int f = 0; f < FILES; f++) {
            ck_assert_int_eq(probe_end(&c[f]), 0);
            for (int i = 0; i < OPS; i++) {
                ck_assert_int_eq(probe_end(&p[f][i]), 4);
                ck_assert_uint_lt(p[f][i].stamp, c[f].stamp);
            }
        }
    }
    place_close(&at);
}

static int open_any(struct place *at, unsigned type, struct reuse_end *ret_end)
{
    if (type < REUSE_TYPES) {
        reuse_open(ret_end, (enum reuse_type)type);
        return ret_end->fd;
    }
    ret_end->peer = dup(at->old_dir);
    return dup(at->old_dir);
}

/* Cancelled, too late, or neither: the descriptor is gone. And what comes after is too late. */
HEALD_CASE(a_close_op_closes_whatever_its_result)
{
    struct heald_stat stat;
    struct place at;

    place_open(&at, _i);
    for (unsigned n = 0; n < 6 * (REUSE_TYPES + 1); n++) {
        struct probe c = {0}, late = {0}, again = {0};
        struct reuse_end end;
        unsigned type = n / 6;
        int fd = open_any(&at, type, &end), how = n % 3;
        if (n % 6 / 3 && at.pool)
            keep_busy(&at);
        heald_prep_close(&c.op, fd);
        if (how == 1)
            c.op.deadline_ns = now() - 1;
        probe_start(at.loop, &c);
        heald_prep_stat(&late.op, fd, "", 0, &stat);
        probe_start(at.loop, &late);
        heald_prep_close(&again.op, fd);
        probe_start(at.loop, &again);
        if (how == 2)
            heald_cancel(&c.op);
        turn_for(at.loop, 0);
        release(&at);
        int64_t result = probe_end(&c);
        ck_assert_msg(!reuse_is_open(fd), "type %u, how %d: still open after %d", type, how,
                      (int)result);
        ck_assert_msg(probe_end(&late) == -EBADF && probe_end(&again) == -EBADF,
                      "type %u, how %d: after the close op %d, %d", type, how, (int)late.result,
                      (int)again.result);
        close(end.peer);
    }
    place_close(&at);
}

void add_reuse_files(TCase *group)
{
    add_everywhere(group, a_file_right_after_the_submit);
    add_everywhere(group, a_file_while_the_op_runs);
    add_everywhere(group, a_file_when_a_result_is_due);
    add_everywhere(group, a_file_between_a_cancel_and_its_completion);
    add_everywhere(group, a_file_while_all_threads_are_busy);
    add_everywhere(group, what_runs_keeps_the_number);
    add_everywhere(group, a_close_op_comes_last);
    add_everywhere(group, a_close_op_closes_whatever_its_result);
}
