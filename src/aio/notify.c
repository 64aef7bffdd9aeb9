/*
 * aio/notify.c: notification of an end: a queued signal, or a thread that calls a function. The
 * notification is copied when the request is made; a signal is sent by the I/O thread, a function
 * called by a thread that the starter makes for it (threads.c).
 *
 * As in glibc an unknown kind of notification and a signal 0, which is what a zeroed block asks
 * for, are no notification, and neither is a signal that does not exist.
 */
#include "aio/request.h"
#include "platform/attr.h"

#include <errno.h>

static int copy_call(struct aio_state *p, struct aio_notification *to, const struct sigevent *from)
{
    const pthread_attr_t *attr = from->sigev_notify_attributes;
    struct aio_call *call = aio_slab_alloc(p);

    if (!call)
        return -EAGAIN;
    call->process = p;
    call->function = from->sigev_notify_function;
    call->value = from->sigev_value;
    if (attr && heald__plat_attr_copy(&call->attr, attr) < 0) {
        aio_slab_free(p, call);
        return -EAGAIN;
    }
    call->has_attr = attr;
    to->call = call;
    return 0;
}

bool aio_sigevent_silent(const struct sigevent *ev)
{
    if (ev->sigev_notify == SIGEV_THREAD)
        return !ev->sigev_notify_function;
    return (ev->sigev_notify != SIGEV_SIGNAL && ev->sigev_notify != SIGEV_THREAD_ID) ||
           !ev->sigev_signo;
}

int aio_notification_copy(struct aio_state *p, struct aio_notification *to,
                          const struct sigevent *from)
{
    if (aio_sigevent_silent(from)) {
        to->how = SIGEV_NONE;
        return 0;
    }
    to->how = from->sigev_notify;
    if (to->how == SIGEV_THREAD)
        return copy_call(p, to, from);
    if (to->how == SIGEV_THREAD_ID)
        to->thread = heald__plat_sigevent_thread(from);
    to->signo = from->sigev_signo;
    to->value = from->sigev_value;
    return 0;
}

void aio_call_drop(struct aio_call *call)
{
    if (call->has_attr)
        pthread_attr_destroy(&call->attr);
    aio_slab_free(call->process, call);
}

void aio_notification_drop(struct aio_notification *n)
{
    if (n->how == SIGEV_THREAD)
        aio_call_drop(n->call);
}

static void *call_main(void *arg)
{
    struct aio_call *call = arg;
    void (*function)(union sigval) = call->function;
    union sigval value = call->value;

    aio_call_drop(call);
    heald__plat_thread_unblock();
    function(value);
    return NULL;
}

/* Attributes that cannot be had (a priority, say) are no reason not to call. */
int aio_call_start(struct aio_call *call)
{
    int err = -EINVAL;

    if (call->has_attr)
        err = heald__plat_thread_detached(&call->attr, call_main, call);
    if (err && err != -EAGAIN && err != -ENOMEM)
        err = heald__plat_thread_detached(NULL, call_main, call);
    return err;
}

bool aio_notify_by_signal(const struct heald_sys *sys, const struct aio_notification *n)
{
    int err = n->how == SIGEV_THREAD_ID
                  ? heald__plat_signal_thread(n->thread, n->signo, n->value.sival_ptr)
                  : sys->signal_queue(n->signo, n->value.sival_ptr);
    return err != -EAGAIN && err != -ENOMEM;
}
