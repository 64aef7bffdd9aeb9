/*
 * aio/list.c: lio_listio(3): many requests in one call.
 *
 * A list that is waited for, or has a notification, is a group: a count that begins at one for the
 * call itself, so that it cannot end before the last request was made. A call that a signal ends
 * leaves the group to its requests.
 */
#include "aio/request.h"
#include "platform/futex.h"

#include <errno.h>

static struct aio_group *group_new(struct aio_state *p, bool waited, const struct sigevent *ev)
{
    struct aio_group *g = aio_slab_alloc(p);

    if (!g)
        return NULL;
    g->notifier.holds = 1;
    g->notifier.notification.how = SIGEV_NONE;
    g->left = 1;
    g->waited = waited;
    if (!waited && aio_notification_copy(p, &g->notifier.notification, ev)) {
        aio_slab_free(p, g);
        return NULL;
    }
    return g;
}

static int submit_item(struct aiocb *cb, struct aio_group *g, bool quiet)
{
    if (cb->aio_lio_opcode == LIO_READ)
        return aio_submit(cb, OP_READ, g, quiet);
    if (cb->aio_lio_opcode == LIO_WRITE)
        return aio_submit(cb, OP_WRITE, g, quiet);
    return aio_refuse(cb, -EINVAL);
}

/* 0, or what the call shall say: -EAGAIN: some found no room; -EIO: some were refused, or have
 * failed already. */
static int submit_all(struct aiocb *const list[], int n, struct aio_group *g, bool quiet)
{
    int err = 0;

    for (int i = 0; i < n; i++) {
        if (!list[i] || list[i]->aio_lio_opcode == LIO_NOP)
            continue;
        int refused = submit_item(list[i], g, quiet);
        if (refused == -EAGAIN)
            err = -EAGAIN;
        else if (refused && !err)
            err = -EIO;
    }
    return err;
}

/* Until the requests have ended: 0, -EIO, -EINTR. The group is theirs afterwards. */
static int wait_for_all(struct aio_state *p, struct aio_group *g)
{
    uint32_t left;
    int err = 0;

    /* Acquire: pairs with aio_group_part(). */
    while ((left = __atomic_load_n(&g->left, __ATOMIC_ACQUIRE)) > 1 && err != -EINTR) {
        struct heald_word w = {&g->left, left};
        err = heald__plat_words_wait(&w, 1, HEALD_FOREVER);
    }
    err = left > 1 ? -EINTR : __atomic_load_n(&g->failed, __ATOMIC_RELAXED) ? -EIO : 0;
    aio_group_part(p, g, false);
    return err;
}

int aio_list(int mode, struct aiocb *const list[], int n, const struct sigevent *ev, bool quiet)
{
    bool waited = mode == LIO_WAIT, tells = !waited && ev && !aio_sigevent_silent(ev);
    struct aio_state *p = aio_state();
    struct aio_group *g = NULL;

    if ((!waited && mode != LIO_NOWAIT) || n < 0)
        return -EINVAL;
    if (!p || (tells && aio_io_thread_ensure(p) < 0))
        return -EAGAIN;
    if ((waited || tells) && !(g = group_new(p, waited, ev)))
        return -EAGAIN;
    int err = submit_all(list, n, g, quiet);
    if (waited) {
        int waiting = wait_for_all(p, g);
        return waiting == -EINTR || !err ? waiting : err;
    }
    if (g && aio_group_part(p, g, false))
        aio_io_thread_push(p, &g->notifier.head, AIO_NOTIFY);
    return err;
}
