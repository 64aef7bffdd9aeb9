/* message/service.c: what a service is made of: its layout, its creation and its clients. */
#include "message/service.h"

#include "message/made.h"
#include "sync/cells.h"

#include <string.h>

enum {
    CAPACITY_DEFAULT = 64,
    CLIENTS_DEFAULT = 16,
    CALLS_DEFAULT = 4,
    SIZE_DEFAULT = 1000,
    SIZE_MAX_EACH = HEALD_QUEUE_MESSAGE_MAX / 2
};

_Static_assert(HEALD_SERVICE_CALLS_MAX <= 64, "heald_service_client.pending has a bit for each");

static uint64_t mix(uint64_t hash, uint64_t value)
{
    /* FNV-1a, a word at a time (Fowler, Noll, Vo). */
    return (hash ^ value) * UINT64_C(0x100000001b3);
}

bool heald__service_shape(struct service_shape *ret, const struct heald_service_options *o)
{
    if (!o->clients || o->clients > HEALD_SERVICE_CLIENTS_MAX || !o->calls ||
        o->calls > HEALD_SERVICE_CALLS_MAX || !o->request_max || o->request_max > SIZE_MAX_EACH ||
        !o->reply_max || o->reply_max > SIZE_MAX_EACH ||
        o->flags & ~(unsigned)HEALD_SERVICE_AT_MOST_ONCE)
        return false;
    struct heald_queue_options q = {.capacity = o->capacity,
                                    .message_max = o->request_max + sizeof(struct service_head)};
    size_t requests = heald_queue_size(&q);
    size_t mail =
        (sizeof(struct service_mail) + sizeof(struct queue_cell) + o->reply_max + 63) & ~(size_t)63;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const uint64_t values[] = {o->capacity,    o->clients,   o->calls,
                               o->request_max, o->reply_max, o->flags};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        hash = mix(hash, values[i]);
    *ret = (struct service_shape){
        .capacity = o->capacity,
        .clients = o->clients,
        .calls = o->calls,
        .request_max = (uint32_t)o->request_max,
        .reply_max = (uint32_t)o->reply_max,
        .flags = o->flags,
        .requests_size = (requests + 63) & ~(size_t)63,
        .mail_size = mail,
        .size = sizeof(struct service) + ((requests + 63) & ~(size_t)63) +
                o->clients * (sizeof(struct service_client) + (uint64_t)o->calls * mail),
        .check = hash};
    return requests;
}

static unsigned or_default(unsigned value, unsigned usual)
{
    return value ? value : usual;
}

static bool shape_from(struct service_shape *ret, const struct heald_service_options *options)
{
    struct heald_service_options o = options ? *options : (struct heald_service_options){0};

    if (o.capacity > HEALD_QUEUE_CAPACITY_MAX)
        return false;
    o.capacity = made_capacity(or_default(o.capacity, CAPACITY_DEFAULT));
    o.clients = or_default(o.clients, CLIENTS_DEFAULT);
    o.calls = or_default(o.calls, CALLS_DEFAULT);
    o.request_max = o.request_max ? o.request_max : SIZE_DEFAULT;
    o.reply_max = o.reply_max ? o.reply_max : SIZE_DEFAULT;
    return heald__service_shape(ret, &o);
}

static struct service *service_at(const struct heald_service *service)
{
    return (struct service *)(((uintptr_t)service + 63) & ~(uintptr_t)63);
}

size_t heald_service_size(const struct heald_service_options *options)
{
    struct service_shape shape;

    if (!shape_from(&shape, options) || shape.size + 64 > SIZE_MAX)
        return 0;
    return (size_t)shape.size + 64;
}

int heald_service_init(struct heald_service *service, const struct heald_service_options *options)
{
    struct service *s = service_at(service);
    struct service_shape shape;

    if (!shape_from(&shape, options) || (uintptr_t)service % sizeof(uint64_t))
        return -EINVAL;
    struct heald_queue_options q = {.capacity = shape.capacity,
                                    .message_max = shape.request_max + sizeof(struct service_head)};
    memset(s, 0, sizeof *s);
    int err = heald_queue_init((struct heald_queue *)(s + 1), &q);
    if (err)
        return err;
    memset((char *)(s + 1) + shape.requests_size, 0,
           shape.clients * (sizeof(struct service_client) + shape.calls * shape.mail_size));
    s->capacity = shape.capacity;
    s->clients = shape.clients;
    s->calls = shape.calls;
    s->request_max = shape.request_max;
    s->reply_max = shape.reply_max;
    s->flags = shape.flags;
    s->check = shape.check;
    return 0;
}

static int init_object(void *object, size_t size, void *ctx)
{
    (void)size;
    return heald_service_init(object, ctx);
}

/* What is wrong with options of which no service can be made. */
static void explain(const struct heald_service_options *o)
{
    const struct made_limit limits[] = {{"capacity", o->capacity, HEALD_QUEUE_CAPACITY_MAX},
                                        {"clients", o->clients, HEALD_SERVICE_CLIENTS_MAX},
                                        {"calls", o->calls, HEALD_SERVICE_CALLS_MAX},
                                        {"request_max", o->request_max, SIZE_MAX_EACH},
                                        {"reply_max", o->reply_max, SIZE_MAX_EACH}};

    unsigned unknown = o->flags & ~(unsigned)HEALD_SERVICE_AT_MOST_ONCE;

    if (heald__made_exceeds(limits, sizeof limits / sizeof limits[0], o->ret_why))
        return;
    if (unknown)
        heald__why_set(o->ret_why, "flags: there is none of %u", unknown);
    else
        heald__why_set(o->ret_why,
                       "capacity: the service does not fit into the memory of a process");
}

/* Is a service as the options want it? 0, -EPROTOTYPE. */
static int compare(const struct service_view *v, const struct heald_service_options *o)
{
    const struct made_member members[] = {{"flags", v->flags, o->flags, true},
                                          {"capacity",
                                           __atomic_load_n(&v->s->capacity, __ATOMIC_RELAXED),
                                           o->capacity ? made_capacity(o->capacity) : 0, false},
                                          {"clients", v->client_count, o->clients, false},
                                          {"calls", v->calls, o->calls, false},
                                          {"request_max", v->request_max, o->request_max, false},
                                          {"reply_max", v->reply_max, o->reply_max, false}};

    return heald__made_compare(HEALD_OBJECT_SERVICE, members, sizeof members / sizeof members[0],
                               o->ret_why);
}

int heald_service_open(struct heald_participant *me, const char *name,
                       const struct heald_service_options *options,
                       struct heald_service **ret_service)
{
    struct heald_object_options how = {.type = HEALD_OBJECT_SERVICE,
                                       .size = heald_service_size(options),
                                       .init = init_object,
                                       .ctx = (void *)(uintptr_t)options};
    struct heald_why *why = options ? options->ret_why : NULL;
    struct service_view v;
    void *object;

    if (!how.size) {
        explain(options);
        return -EINVAL;
    }
    int err = heald__made_open(me, name, &how, why, &object);
    if (!err)
        err = heald__made_checked(heald__service_view(&v, object, me), name, why);
    if (!err && options)
        err = compare(&v, options);
    if (!err)
        *ret_service = object;
    return err;
}

int heald__service_view(struct service_view *ret, const struct heald_service *service,
                        struct heald_participant *me)
{
    struct service *s = service_at(service);
    struct service_shape shape;

    if (!__atomic_load_n(&me->id, __ATOMIC_RELAXED))
        return -ESTALE;
    if (!region_has(me->region, s, sizeof *s))
        return -EBADMSG;
    struct heald_service_options o = {.capacity = __atomic_load_n(&s->capacity, __ATOMIC_RELAXED),
                                      .clients = __atomic_load_n(&s->clients, __ATOMIC_RELAXED),
                                      .calls = __atomic_load_n(&s->calls, __ATOMIC_RELAXED),
                                      .request_max =
                                          __atomic_load_n(&s->request_max, __ATOMIC_RELAXED),
                                      .reply_max = __atomic_load_n(&s->reply_max, __ATOMIC_RELAXED),
                                      .flags = __atomic_load_n(&s->flags, __ATOMIC_RELAXED)};
    if (!o.capacity || !heald__service_shape(&shape, &o) ||
        shape.check != __atomic_load_n(&s->check, __ATOMIC_RELAXED) ||
        !region_has(me->region, s, shape.size))
        return -EBADMSG;
    char *clients = (char *)(s + 1) + shape.requests_size;
    *ret = (struct service_view){.s = s,
                                 .me = me,
                                 .requests = (struct heald_queue *)(s + 1),
                                 .clients = clients,
                                 .mails = clients + shape.clients * sizeof(struct service_client),
                                 .client_count = shape.clients,
                                 .calls = shape.calls,
                                 .request_max = shape.request_max,
                                 .reply_max = shape.reply_max,
                                 .flags = shape.flags,
                                 .mail_size = shape.mail_size};
    return 0;
}

/* What the last client left. A mail that a server is writing is left to it. */
static void clear_mails(const struct service_view *v, unsigned index)
{
    for (unsigned i = 0; i < v->calls; i++) {
        struct queue_cell *cell = mail_cell(service_mail(v, index, i));
        uint64_t word = cell_load(cell);
        if (cell_state(word) == MAIL_AWAITED || cell_state(word) == MAIL_DONE)
            cell_change(cell, word, cell_in_state(word, MAIL_FREE));
    }
}

/* One that is free, or whose participant has gone. Acquire: pairs with heald__cells_return(), or
 * with that one's death: its mails are as it left them. */
static bool claim(const struct service_view *v, unsigned index)
{
    uint64_t *owner = &service_client(v, index)->owner,
             id = __atomic_load_n(owner, __ATOMIC_ACQUIRE);

    return heald__cells_is_gone(v->me, id) == -EOWNERDEAD &&
           heald__cells_swap(owner, id, v->me->id);
}

int heald_service_client_open(struct heald_service *service, struct heald_participant *me,
                              struct heald_service_client *ret_client)
{
    struct service_view v;
    int err = heald__service_view(&v, service, me);

    if (err)
        return err;
    for (unsigned i = 0; i < v.client_count; i++)
        if (claim(&v, i)) {
            clear_mails(&v, i);
            *ret_client = (struct heald_service_client){.service = service, .me = me, .index = i};
            return 0;
        }
    return -EUSERS;
}

int heald_service_client_close(struct heald_service_client *client)
{
    struct service_view v;

    if (!client->service)
        return -EINVAL;
    int err = heald__service_view(&v, client->service, client->me);
    if (err)
        return err;
    if (client->pending)
        return -EBUSY;
    struct service_client *c = service_client(&v, client->index);
    if (__atomic_load_n(&c->owner, __ATOMIC_RELAXED) == v.me->id)
        heald__cells_return(&c->owner);
    client->service = NULL;
    return 0;
}

int heald_service_close(struct heald_service *service, struct heald_participant *me)
{
    struct service_view v;
    int err = heald__service_view(&v, service, me);

    return err ? err : heald_queue_close(v.requests, me);
}

static unsigned open_clients(const struct service_view *v)
{
    unsigned count = 0;

    for (unsigned i = 0; i < v->client_count; i++) {
        uint64_t id = __atomic_load_n(&service_client(v, i)->owner, __ATOMIC_ACQUIRE);
        count += id && heald__cells_is_gone(v->me, id) == 0;
    }
    return count;
}

int heald_service_describe(struct heald_service *service, struct heald_participant *me,
                           struct heald_service_info *ret_info)
{
    struct heald_queue_info requests;
    struct service_view v;
    int err = heald__service_view(&v, service, me);

    if (!err)
        err = heald_queue_describe(v.requests, me, &requests);
    if (err)
        return err;
    *ret_info = (struct heald_service_info){.options = {.capacity = requests.options.capacity,
                                                        .clients = v.client_count,
                                                        .calls = v.calls,
                                                        .request_max = v.request_max,
                                                        .reply_max = v.reply_max,
                                                        .flags = v.flags},
                                            .sent = requests.sent,
                                            .depth = requests.depth,
                                            .serving = requests.receiving,
                                            .clients = open_clients(&v),
                                            .closed = requests.closed};
    return 0;
}
