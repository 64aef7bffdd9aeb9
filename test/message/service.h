/* test/message/service.h: what the tests of services share: a service in a fixture's region. */
#ifndef HEALD_TEST_MESSAGE_SERVICE_H
#define HEALD_TEST_MESSAGE_SERVICE_H

#include "message/message.h"

enum { AT_MOST_ONCE = HEALD_SERVICE_AT_MOST_ONCE, CALLS = 4 };

static const struct heald_service_options usual = {
    .capacity = 4, .clients = 2, .calls = CALLS, .request_max = 32, .reply_max = 32};

static inline struct heald_service *service_of(struct fixture *f)
{
    return (struct heald_service *)shared_of(f)->memory;
}

/* A service that is new, in the data of the region. */
static inline struct heald_service *service_make(struct fixture *f, unsigned flags)
{
    struct heald_service_options o = usual;

    o.flags = flags;
    memset(f->data, 0, sizeof(struct shared));
    ck_assert_uint_le(heald_service_size(&o), (1 << 20) - sizeof(struct shared));
    ck_assert_int_eq(heald_service_init(service_of(f), &o), 0);
    return service_of(f);
}

static inline int call_with(struct heald_service_client *client, const char *text, char reply[32],
                            int64_t deadline)
{
    struct heald_call call = {
        .request = text, .request_size = strlen(text), .reply = reply, .reply_size = 31};
    int err = heald_service_call(client, &call, deadline);

    reply[err ? 0 : call.reply_size] = 0;
    return err;
}

#endif
