/* op/prep_work.c: the preps of functions on threads; as those of prep.c. Pure. */
#include "op/op.h"

#include <heald/work.h>

int heald_prep_work(struct heald_op *op, heald_work_fn *fn, struct heald_workers *workers)
{
    int err = op_prepare(op);

    if (err)
        return err;
    if (!fn)
        return -EINVAL;
    op->kind = OP_WORK;
    op->u.work.u.fn = fn;
    op->u.work.workers = workers;
    return 0;
}

int heald_prep_work_detachable(struct heald_op *op, struct heald_work *work,
                               struct heald_workers *workers)
{
    int err = op_prepare(op);

    if (err)
        return err;
    if (!work || !work->fn || !work->release)
        return -EINVAL;
    op->kind = OP_WORK_DETACHABLE;
    op->u.work.u.work = work;
    op->u.work.workers = workers;
    return 0;
}
