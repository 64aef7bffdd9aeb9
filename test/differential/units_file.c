/*
 * test/differential/units_file.c: a file from open to close: pieces written at their places in any
 * order, read back, looked at; names that are not there, and names that lead outside.
 */
#include "differential/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECES = 6, PIECE = 3000 };

struct file {
    char path[32];
    int fd;
    unsigned count, left;
    size_t start[PIECES + 1], done[PIECES];
    struct heald_op op[PIECES], one;
    struct iovec iov[PIECES][2];
    unsigned char out[PIECES * PIECE], in[PIECES * PIECE];
    bool writing;
    struct heald_stat stat;
};

static void file_pieces(struct unit *u);

static size_t length(const struct file *f, unsigned i)
{
    return f->start[i + 1] - f->start[i];
}

static void file_closed(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;

    u->value[5] = op->result;
    ck_assert_int_eq(unlinkat(u->run->dir, f->path, 0), 0);
    unit_over(u);
}

static void file_read_end(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;

    u->value[4] = op->result;
    heald_prep_close(op, f->fd);
    unit_go(u, op, file_closed);
}

static void file_looked_at(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;

    ck_assert_int_eq(op->result, 0);
    u->value[2] = (int64_t)f->stat.size;
    u->value[3] = f->stat.mode;
    heald_prep_read(op, f->fd, f->in, 10, (int64_t)f->start[f->count]);
    unit_go(u, op, file_read_end);
}

static void file_synced(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;

    u->value[1] = op->result;
    f->writing = false;
    file_pieces(u);
}

/* All pieces have been written, or read. */
static void file_pieces_done(struct unit *u)
{
    struct file *f = u->state;

    if (f->writing) {
        heald_prep_fsync(&f->one, f->fd, (int)rng_below(&u->noise, 2));
        unit_go(u, &f->one, file_synced);
        return;
    }
    ck_assert_mem_eq(f->in, f->out, f->start[f->count]);
    if (rng_one_in(&u->noise, 2))
        heald_prep_stat(&f->one, u->run->dir, f->path, 0, &f->stat);
    else
        heald_prep_stat(&f->one, f->fd, "", 0, &f->stat);
    unit_go(u, &f->one, file_looked_at);
}

static void file_piece(struct unit *u, unsigned i);

static void file_piece_done(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;
    unsigned i = (unsigned)(op - f->op);

    ck_assert_msg(op->result > 0, "unit %u: %s: %lld", u->index, heald_op_kind(op),
                  (long long)op->result);
    f->done[i] += (size_t)op->result;
    if (f->done[i] < length(f, i))
        file_piece(u, i);
    else if (--f->left == 0)
        file_pieces_done(u);
}

static void file_piece(struct unit *u, unsigned i)
{
    struct file *f = u->state;
    size_t at = f->start[i] + f->done[i], n = length(f, i) - f->done[i];
    unsigned char *p = (f->writing ? f->out : f->in) + at;
    size_t half = rng_below(&u->noise, (unsigned)n + 1);
    int64_t off = (int64_t)at;

    f->iov[i][0] = (struct iovec){.iov_base = p, .iov_len = half};
    f->iov[i][1] = (struct iovec){.iov_base = p + half, .iov_len = n - half};
    bool vector = rng_one_in(&u->noise, 2);
    if (f->writing && vector)
        heald_prep_writev(&f->op[i], f->fd, f->iov[i], 2, off);
    else if (f->writing)
        heald_prep_write(&f->op[i], f->fd, p, n, off);
    else if (vector)
        heald_prep_readv(&f->op[i], f->fd, f->iov[i], 2, off);
    else
        heald_prep_read(&f->op[i], f->fd, p, n, off);
    unit_go(u, &f->op[i], file_piece_done);
}

static void file_pieces(struct unit *u)
{
    struct file *f = u->state;
    unsigned first = rng_below(&u->noise, f->count);

    f->left = f->count;
    memset(f->done, 0, sizeof f->done);
    for (unsigned i = 0; i < f->count; i++)
        file_piece(u, (first + i) % f->count);
}

static void file_opened(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct file *f = u->state;

    ck_assert_msg(op->result >= 0, "unit %u: open: %s", u->index, heald_strerror((int)op->result));
    f->fd = (int)op->result;
    u->value[0] = fcntl(f->fd, F_GETFD);
    f->writing = true;
    file_pieces(u);
}

static void file_start(struct unit *u)
{
    struct file *f = u->state;

    snprintf(f->path, sizeof f->path, "unit-%u", u->index);
    f->count = rng_range(&u->plan, 1, PIECES);
    for (unsigned i = 0; i < f->count; i++)
        f->start[i + 1] = f->start[i] + rng_range(&u->plan, 1, PIECE);
    for (size_t i = 0; i < f->start[f->count]; i++)
        f->out[i] = unit_byte(u, i);
    if (rng_one_in(&u->noise, 2))
        heald_prep_open(&f->one, u->run->dir, f->path, O_RDWR | O_CREAT, 0600);
    else
        heald_prep_open_beneath(&f->one, u->run->dir, f->path, O_RDWR | O_CREAT, 0600);
    unit_go(u, &f->one, file_opened);
}

const struct unit_kind unit_file = {"file", sizeof(struct file), file_start, 4};

/* What must fail, each with its own error; handed over as a list. Some are cancelled, which may
 * come too late: then they end as they would have. */
enum { NAMES = 8 };

struct names {
    struct heald_op op[NAMES], *list[NAMES];
    struct heald_stat stat;
    char byte;
    unsigned left;
    bool cancelled[NAMES];
};

static void names_done(struct heald_op *op)
{
    static const int want[NAMES] = {-ENOENT, -EXDEV, -EXDEV, -ENOENT,
                                    -EBADF,  -EBADF, -EBADF, -ENOTDIR};
    struct unit *u = unit_of(op);
    struct names *n = u->state;
    unsigned i = (unsigned)(op - n->op);
    int got = (int)op->result;

    if (got == -ECANCELED && n->cancelled[i])
        got = want[i];
    ck_assert_msg(got == want[i], "unit %u: name %u: %s", u->index, i, heald_strerror(got));
    if (--n->left == 0)
        unit_over(u);
}

static void names_start(struct unit *u)
{
    struct names *n = u->state;
    int dir = u->run->dir, none = 1 << 20;

    heald_prep_open(&n->op[0], dir, "none", O_RDONLY, 0);
    heald_prep_open_beneath(&n->op[1], dir, "../x", O_RDONLY, 0);
    heald_prep_open_beneath(&n->op[2], dir, "/etc/passwd", O_RDONLY, 0);
    heald_prep_stat(&n->op[3], dir, "none", 0, &n->stat);
    heald_prep_fsync(&n->op[4], none, 0);
    heald_prep_close(&n->op[5], none);
    heald_prep_read(&n->op[6], none, &n->byte, 1, 0);
    heald_prep_open(&n->op[7], AT_FDCWD, "/dev/null/x", O_RDONLY, 0);
    n->left = NAMES;
    for (unsigned i = 0; i < NAMES; i++) {
        n->op[i].data = u;
        n->op[i].name = "names";
        n->list[i] = &n->op[i];
    }
    ck_assert_int_eq(heald_submit_all(u->run->loop, n->list, NAMES, names_done), NAMES);
    for (unsigned i = 0; i < NAMES; i++)
        if (rng_one_in(&u->noise, 4)) {
            n->cancelled[i] = true;
            heald_cancel(&n->op[i]);
        }
}

const struct unit_kind unit_names = {"names", sizeof(struct names), names_start, 2};
