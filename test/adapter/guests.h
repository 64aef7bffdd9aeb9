/*
 * test/adapter/guests.h: the guests of a host. Adapters differ by name alone: GUESTS_IN(uv, &host)
 * defines guest_open(), guest_update() and guest_close() of adapter.h by heald_uv_open() and so on.
 */
#ifndef HEALD_TEST_ADAPTER_GUESTS_H
#define HEALD_TEST_ADAPTER_GUESTS_H

#include "adapter/adapter.h"

#include <stdlib.h>

#define GUESTS_IN(name, host)                                         \
    static struct heald_##name *guests[GUESTS];                       \
                                                                      \
    static int number_of(struct heald_##name *adapter)                \
    {                                                                 \
        return *(int *)adapter->data;                                 \
    }                                                                 \
                                                                      \
    static void on_error(struct heald_##name *adapter, int err)       \
    {                                                                 \
        on_guest_error(number_of(adapter), err, adapter->error);      \
    }                                                                 \
                                                                      \
    static void on_closed(struct heald_##name *adapter)               \
    {                                                                 \
        guests_closed++;                                              \
        guests[number_of(adapter)] = NULL;                            \
        free(adapter);                                                \
    }                                                                 \
                                                                      \
    int guest_open(int i, struct heald_loop *loop)                    \
    {                                                                 \
        static int numbers[GUESTS] = {0, 1};                          \
        struct heald_##name *adapter = malloc(sizeof *adapter);       \
                                                                      \
        adapter->data = &numbers[i];                                  \
        int err = heald_##name##_open(adapter, host, loop, on_error); \
        if (err)                                                      \
            free(adapter);                                            \
        else                                                          \
            guests[i] = adapter;                                      \
        return err;                                                   \
    }                                                                 \
                                                                      \
    void guest_update(int i)                                          \
    {                                                                 \
        heald_##name##_update(guests[i]);                             \
    }                                                                 \
                                                                      \
    void guest_close(int i)                                           \
    {                                                                 \
        heald_##name##_close(guests[i], on_closed);                   \
    }

#endif
