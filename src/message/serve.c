/* message/serve.c: the server's side of a service: requests are received, and replied to. */
#include "message/hand_over.h"
#include "message/service.h"
#include "message/wait_ops.h"

#include <string.h>

/* Puts the reply of a request into its mail. 0; -ECANCELED: nobody waits for it. */
static int fill_mail(const struct service_view *v, const struct heald_request *request,
                     const void *data, size_t size, int error)
{
    struct service_mail *mail = service_mail(v, request->client, request->mail);
    struct queue_cell *cell = mail_cell(mail);
    uint64_t word = cell_load(cell);
    bool is_left =
        cell_state(word) == MAIL_WRITING &&
        heald__region_is_gone(v->me->region, cell_id(v->me->region, word)) == -EOWNERDEAD;
    uint64_t mine = cell_owned(word, MAIL_WRITING, cell_owner(v->me->id));

    if (cell_ahead(word, request->number) != 0 || (cell_state(word) != MAIL_AWAITED && !is_left) ||
        !cell_change(cell, word, mine))
        return -ECANCELED;
    if (size)
        memcpy(cell->data, data, size);
    __atomic_store_n(&cell->size, (uint32_t)size, __ATOMIC_RELAXED);
    __atomic_store_n(&mail->error, error, __ATOMIC_RELAXED);
    return cell_hand_over(cell, mine, MAIL_DONE, &service_client(v, request->client)->bell);
}

/* The message in the slot as a request. False: it is none. */
static bool read_request(const struct service_view *v, struct heald_request *request)
{
    struct service_head head;

    if (request->slot.size < sizeof head)
        return false;
    memcpy(&head, request->slot.data, sizeof head);
    if (head.client >= v->client_count || head.mail >= v->calls)
        return false;
    request->data = (const char *)request->slot.data + sizeof head;
    request->size = request->slot.size - sizeof head;
    request->redelivered = request->slot.redelivered;
    request->client = head.client;
    request->mail = head.mail;
    request->number = head.number;
    return true;
}

/* The receive takes effect. 0; -EOWNERDEAD: a server that is gone had it, and no other may have it;
 * -ECANCELED: the mail is that of another call. */
static int mark_taken(const struct service_view *v, const struct heald_request *request)
{
    struct service_mail *mail = service_mail(v, request->client, request->mail);
    /* Relaxed, and so below: as taken_of() of call.c. */
    uint64_t word = __atomic_load_n(&mail->taken, __ATOMIC_RELAXED);
    uint64_t mine = cell_owned(word, CELL_TAKEN, cell_owner(v->me->id));

    if (mail_was_taken(word, request->number) && v->flags & HEALD_SERVICE_AT_MOST_ONCE)
        return -EOWNERDEAD;
    if (cell_ahead(word, request->number) != 0 ||
        !__atomic_compare_exchange_n(&mail->taken, &word, mine, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return -ECANCELED;
    return 0;
}

/* Is it one to serve? Of one whose server died the client is notified, if no other may have it. If
 * its client has given it up as well, nobody knows whether it was only about to be received. */
static bool accept_request(const struct service_view *v, struct heald_request *request)
{
    if (!read_request(v, request))
        return false;
    int err = mark_taken(v, request);
    if (!(v->flags & HEALD_SERVICE_AT_MOST_ONCE))
        return true;
    if (err == -EOWNERDEAD)
        fill_mail(v, request, NULL, 0, -EOWNERDEAD);
    if (err == -EOWNERDEAD || (err && request->redelivered))
        return false;
    request->redelivered = 0;
    return true;
}

static int try_receive(void *object, struct heald_participant *me, int64_t *memory,
                       struct region_wait *wait)
{
    struct heald_request *request = (struct heald_request *)(intptr_t)*memory;
    struct service_view v;
    int err = heald__service_view(&v, object, me);
    int64_t slot = (intptr_t)&request->slot;

    while (!err) {
        err = heald__queue_peek_wait_ops.try(v.requests, me, &slot, wait);
        if (!err && accept_request(&v, request)) {
            request->service = object;
            return 0;
        }
        if (!err)
            err = heald_queue_release(&request->slot, me);
    }
    return err;
}

const struct sync_wait_ops heald__service_receive_wait_ops = {
    .try = try_receive, .kind = HEALD_OBJECT_SERVICE, .flags = HEALD_WAIT_TO_READ};

int heald_service_receive(struct heald_service *service, struct heald_participant *me,
                          struct heald_request *ret_request, int64_t deadline_ns)
{
    int64_t memory = (intptr_t)ret_request;

    *ret_request = (struct heald_request){0};
    me->site = SYNC_SITE;
    return heald__sync_block_keep(&heald__service_receive_wait_ops, service, me, deadline_ns,
                                  &memory);
}

static int check_request(struct service_view *v, const struct heald_request *request,
                         struct heald_participant *me)
{
    const struct queue_view *q;

    if (!request->service || !request->slot.data)
        return -EINVAL;
    int err = heald__service_view(v, request->service, me);
    if (!err)
        err = queue_view(&q, v->requests, me);
    if (err)
        return err;
    return heald__queue_has_slot(q, &request->slot, CELL_TAKEN) ? 0 : -EINVAL;
}

static int reply(const struct service_view *v, struct heald_request *request, const void *data,
                 size_t size, int error)
{
    int err = fill_mail(v, request, data, size, error);
    int lost = heald_queue_release(&request->slot, v->me);

    request->data = NULL;
    return err ? err : lost;
}

int heald_service_reply(struct heald_request *request, struct heald_participant *me,
                        const void *data, size_t size)
{
    struct service_view v;
    int err = check_request(&v, request, me);

    if (err)
        return err;
    if (size > v.reply_max)
        return -EMSGSIZE;
    return data || !size ? reply(&v, request, data, size, 0) : -EINVAL;
}

int heald_service_fail(struct heald_request *request, struct heald_participant *me, int error)
{
    struct service_view v;
    int err = check_request(&v, request, me);

    if (err)
        return err;
    /* These two mean that the call waits. */
    if (error >= 0 || error == -EAGAIN || error == -EBUSY)
        return -EINVAL;
    return reply(&v, request, NULL, 0, error);
}

int heald_request_is_awaited(const struct heald_request *request, struct heald_participant *me)
{
    struct service_view v;

    if (check_request(&v, request, me))
        return 0;
    uint64_t word = cell_load(mail_cell(service_mail(&v, request->client, request->mail)));
    return cell_ahead(word, request->number) == 0 && cell_state(word) == MAIL_AWAITED;
}
