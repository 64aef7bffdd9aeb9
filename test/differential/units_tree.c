/*
 * test/differential/units_tree.c: a directory that changes, one random operation after another on a
 * few names, so that many of them fail: each result is compared.
 */
#include "differential/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_NAMES = 4, TREE_STEPS = UNIT_VALUES };

struct tree {
    struct heald_op op;
    char dir_name[24], text[16];
    int dir;
    unsigned step;
    char name[2][4];
    struct heald_statfs statfs;
    uint64_t entries[64];
};

static void tree_step(struct unit *u);

/* A value that is the same everywhere: of what is a descriptor or a size, that there is one. */
static void tree_done(struct heald_op *op)
{
    struct unit *u = unit_of(op);
    struct tree *t = u->state;
    const char *kind = heald_op_kind(op);

    if (op->result >= 0 && strcmp(kind, "tempfile") == 0)
        close((int)op->result);
    u->value[t->step++] = op->result < 0 ? op->result : strcmp(kind, "readlink") ? 0 : op->result;
    if (t->step < TREE_STEPS) {
        tree_step(u);
        return;
    }
    for (int i = 0; i < TREE_NAMES; i++) {
        snprintf(t->name[0], sizeof t->name[0], "%d", i);
        if (unlinkat(t->dir, t->name[0], 0) < 0)
            unlinkat(t->dir, t->name[0], AT_REMOVEDIR);
    }
    close(t->dir);
    ck_assert_int_eq(unlinkat(u->run->dir, t->dir_name, AT_REMOVEDIR), 0);
    unit_over(u);
}

static void tree_prep_change(struct unit *u, unsigned what)
{
    struct tree *t = u->state;

    switch (what) {
    case 0: heald_prep_unlink(&t->op, t->dir, t->name[0]); break;
    case 1: heald_prep_rmdir(&t->op, t->dir, t->name[0]); break;
    case 2: heald_prep_symlink(&t->op, t->name[1], t->dir, t->name[0]); break;
    case 3: heald_prep_link(&t->op, t->dir, t->name[0], t->dir, t->name[1], 0); break;
    case 4: heald_prep_rename(&t->op, t->dir, t->name[0], t->dir, t->name[1], 0); break;
    default: heald_prep_mkdir(&t->op, t->dir, t->name[0], 0700);
    }
}

static void tree_prep_other(struct unit *u, unsigned what)
{
    struct tree *t = u->state;

    switch (what) {
    case 0: heald_prep_readlink(&t->op, t->dir, t->name[0], t->text, sizeof t->text); break;
    case 1: heald_prep_chmod(&t->op, t->dir, t->name[0], 0700, 0); break;
    case 2: heald_prep_utimens(&t->op, t->dir, t->name[0], NULL, AT_SYMLINK_NOFOLLOW); break;
    case 3: heald_prep_statfs(&t->op, t->dir, t->name[0], &t->statfs); break;
    case 4: heald_prep_readdir(&t->op, t->dir, t->entries, sizeof t->entries, 0); break;
    case 5: heald_prep_tempfile_unnamed(&t->op, t->dir, ".", 0); break;
    case 6: heald_prep_ftruncate(&t->op, t->dir, 1); break;
    default: heald_prep_flock(&t->op, t->dir, HEALD_FILE_EXCLUSIVE);
    }
}

static void tree_step(struct unit *u)
{
    struct tree *t = u->state;

    for (int i = 0; i < 2; i++)
        snprintf(t->name[i], sizeof t->name[i], "%u", (unsigned)rng_below(&u->plan, TREE_NAMES));
    if (rng_one_in(&u->plan, 2))
        tree_prep_change(u, (unsigned)rng_below(&u->plan, 6));
    else
        tree_prep_other(u, (unsigned)rng_below(&u->plan, 8));
    unit_go(u, &t->op, tree_done);
}

static void tree_start(struct unit *u)
{
    struct tree *t = u->state;

    snprintf(t->dir_name, sizeof t->dir_name, "tree-%u", u->index);
    ck_assert_int_eq(mkdirat(u->run->dir, t->dir_name, 0700), 0);
    t->dir = openat(u->run->dir, t->dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(t->dir, 0);
    tree_step(u);
}

const struct unit_kind unit_tree = {"tree", sizeof(struct tree), tree_start, 3};
