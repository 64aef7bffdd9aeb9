/*
 * message/call.c: the client's side of a service: a call takes a mail, sends its request, and waits
 * for the mail.
 *
 * Nobody sleeps in vain: a reply is handed over as a message is (hand_over.h), with the client's
 * bell. A client whose reply is being written watches the server. Where a request is not given to a
 * second server it watches the one that has received it; that may have happened while the client
 * slept, so it tries again every 50 ms.
 */
#include "message/hand_over.h"
#include "message/service.h"
#include "message/wait_ops.h"

#include <string.h>

enum { NOT_SENT = 0 }; /* call->number, which is never 0 once it is sent */

static struct queue_cell *cell_of(const struct service_view *v, const struct heald_call *call)
{
    return mail_cell(service_mail(v, call->client->index, call->mail));
}

/* May a call have that mail, which no pending call has? Then it is free. */
static bool take_mail(const struct service_view *v, struct queue_cell *cell)
{
    uint64_t word = cell_load(cell);

    if (cell_state(word) == MAIL_WRITING &&
        heald__region_is_gone(v->me->region, cell_id(v->me->region, word)) != -EOWNERDEAD)
        return false;
    return cell_state(word) == MAIL_FREE || cell_change(cell, word, cell_in_state(word, MAIL_FREE));
}

/* 0, -ENOBUFS. */
static int find_mail(const struct service_view *v, struct heald_call *call)
{
    struct heald_service_client *client = call->client;

    for (unsigned i = 0; i < v->calls; i++) {
        struct queue_cell *cell = mail_cell(service_mail(v, client->index, i));
        if (client->pending & UINT64_C(1) << i || !take_mail(v, cell))
            continue;
        client->pending |= UINT64_C(1) << i;
        call->mail = i;
        return 0;
    }
    return -ENOBUFS;
}

static void leave_mail(struct heald_call *call)
{
    call->client->pending &= ~(UINT64_C(1) << call->mail);
}

/* The mail awaits a reply of that number before the request is sent. */
static void await_reply(const struct service_view *v, struct heald_call *call)
{
    struct service_client *c = service_client(v, call->client->index);
    struct service_mail *mail = service_mail(v, call->client->index, call->mail);
    uint32_t mask = (UINT32_C(1) << CELL_LAP_BITS) - 1;

    do
        call->number = __atomic_add_fetch(&c->next, 1, __ATOMIC_RELAXED) & mask;
    while (call->number == NOT_SENT);
    /* Relaxed: the request comes after it, and who receives that sees it. */
    __atomic_store_n(&mail->taken, cell_word(call->number, CELL_FULL), __ATOMIC_RELAXED);
    __atomic_store_n(&mail_cell(mail)->word, cell_word(call->number, MAIL_AWAITED),
                     __ATOMIC_SEQ_CST); /* pairs with cell_load() of fill_mail() */
}

static void write_request(const struct heald_queue_slot *slot, const struct heald_call *call)
{
    struct service_head head = {
        .client = call->client->index, .mail = call->mail, .number = call->number};

    memcpy(slot->data, &head, sizeof head);
    if (call->request_size)
        memcpy((char *)slot->data + sizeof head, call->request, call->request_size);
}

/* 0: it is sent; -EBUSY: wait for room. */
static int send_request(const struct service_view *v, struct heald_call *call,
                        struct region_wait *wait)
{
    struct heald_queue_slot slot = {0};
    int64_t memory = (intptr_t)&slot;
    int err = heald__queue_reserve_wait_ops.try(v->requests, v->me, &memory, wait);

    if (err)
        return err;
    await_reply(v, call);
    write_request(&slot, call);
    return heald_queue_commit(&slot, v->me, sizeof(struct service_head) + call->request_size);
}

/* The reply is there: what the call returns. */
static int read_reply(const struct service_view *v, struct heald_call *call)
{
    struct service_mail *mail = service_mail(v, call->client->index, call->mail);
    struct queue_cell *cell = mail_cell(mail);
    size_t size = __atomic_load_n(&cell->size, __ATOMIC_RELAXED);
    int err = __atomic_load_n(&mail->error, __ATOMIC_RELAXED);

    if (size > v->reply_max || err > 0 || err == -EAGAIN || err == -EBUSY)
        err = -EBADMSG;
    else if (!err && size > call->reply_size)
        err = -EMSGSIZE;
    else if (!err && size)
        memcpy(call->reply, cell->data, size);
    call->reply_size = size;
    call->was_taken = 1;
    uint64_t word = cell_load(cell);
    cell_change(cell, word, cell_in_state(word, MAIL_FREE));
    leave_mail(call);
    return err;
}

/* Its server died, and no other may have the request. */
static int give_up(const struct service_view *v, struct heald_call *call, uint64_t word)
{
    if (!cell_change(cell_of(v, call), word, cell_in_state(word, MAIL_FREE)))
        return -EAGAIN;
    leave_mail(call);
    call->was_taken = 1;
    return -EOWNERDEAD;
}

/* Relaxed: the word is all there is to know; the death of who is named there comes after it. */
static uint64_t taken_of(const struct service_mail *mail)
{
    return __atomic_load_n(&mail->taken, __ATOMIC_RELAXED);
}

/* One look at the mail: what the call returns; -EAGAIN: there is no reply, and whom to watch. */
static int look(const struct service_view *v, struct heald_call *call, uint64_t *ret_holder)
{
    struct service_mail *mail = service_mail(v, call->client->index, call->mail);
    uint64_t word = cell_load(mail_cell(mail)), taken = taken_of(mail), holder = 0;

    if (cell_ahead(word, call->number) != 0 || cell_state(word) == MAIL_FREE)
        return -EBADMSG;
    if (cell_state(word) == MAIL_DONE)
        return read_reply(v, call);
    if (cell_state(word) == MAIL_WRITING)
        holder = cell_id(v->me->region, word);
    else if (v->flags & HEALD_SERVICE_AT_MOST_ONCE && mail_was_taken(taken, call->number))
        holder = cell_id(v->me->region, taken);
    if (holder && heald__region_is_gone(v->me->region, holder) == -EOWNERDEAD) {
        holder = 0;
        if (v->flags & HEALD_SERVICE_AT_MOST_ONCE)
            return give_up(v, call, word);
    }
    *ret_holder = holder;
    return -EAGAIN;
}

static int await_mail(const struct service_view *v, struct heald_call *call,
                      struct region_wait *wait)
{
    struct service_client *c = service_client(v, call->client->index);
    uint64_t holder = 0;
    int err = look(v, call, &holder);

    if (err != -EAGAIN)
        return err;
    *wait = (struct region_wait){.me = v->me,
                                 .word = &c->bell,
                                 .bell = region_bell(v->me),
                                 .seen = eventcount_prepare(&c->bell),
                                 .several = v->flags & HEALD_SERVICE_AT_MOST_ONCE};
    err = look(v, call, &wait->holder);
    return err == -EAGAIN ? -EBUSY : err;
}

static int check_call(const struct service_view *v, const struct heald_call *call)
{
    if (call->request_size > v->request_max)
        return -EMSGSIZE;
    return (!call->request && call->request_size) || (!call->reply && call->reply_size) ? -EINVAL
                                                                                        : 0;
}

static int begin(const struct service_view *v, struct heald_call *call, struct region_wait *wait)
{
    int err = check_call(v, call);

    if (!err && call->mail == UINT32_MAX)
        err = find_mail(v, call);
    if (err)
        return err;
    err = send_request(v, call, wait);
    if (err && err != -EBUSY)
        leave_mail(call);
    return err;
}

static int try_call(void *object, struct heald_participant *me, int64_t *memory,
                    struct region_wait *wait)
{
    struct heald_call *call = (struct heald_call *)(intptr_t)*memory;
    struct service_view v;
    int err = heald__service_view(&v, object, me);

    if (!err && call->number == NOT_SENT)
        err = begin(&v, call, wait);
    return err ? err : await_mail(&v, call, wait);
}

/* A reply that has come meanwhile counts. One that is being written is nobody's. */
static int abandon_call(void *object, struct heald_participant *me, int64_t *memory)
{
    struct heald_call *call = (struct heald_call *)(intptr_t)*memory;
    struct service_view v;

    if (call->mail == UINT32_MAX || heald__service_view(&v, object, me))
        return -EBUSY;
    struct service_mail *mail = service_mail(&v, call->client->index, call->mail);
    uint64_t word = cell_load(mail_cell(mail));
    while (call->number != NOT_SENT && cell_state(word) != MAIL_WRITING) {
        if (cell_state(word) == MAIL_DONE)
            return read_reply(&v, call);
        if (cell_change(mail_cell(mail), word, cell_in_state(word, MAIL_FREE)))
            break;
        word = cell_load(mail_cell(mail));
    }
    call->was_taken = call->number != NOT_SENT && mail_was_taken(taken_of(mail), call->number);
    leave_mail(call);
    return -EBUSY;
}

const struct sync_wait_ops heald__service_call_wait_ops = {
    .try = try_call, .abandon = abandon_call, .kind = HEALD_OBJECT_SERVICE};

int heald_service_call(struct heald_service_client *client, struct heald_call *call,
                       int64_t deadline_ns)
{
    int64_t memory = (intptr_t)call;

    if (!client->service)
        return -EINVAL;
    call->client = client;
    call->mail = UINT32_MAX;
    call->number = NOT_SENT;
    call->was_taken = 0;
    client->me->site = SYNC_SITE;
    return heald__sync_block_keep(&heald__service_call_wait_ops, client->service, client->me,
                                  deadline_ns, &memory);
}
