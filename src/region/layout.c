/* region/layout.c: the head of a region, made and checked. Pure; any thread. See layout.h. */
#include "region/layout.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo): to notice accidents, not malice. */
static uint64_t hash(const void *data, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t checksum_of(const struct region_head *head)
{
    return hash(head, offsetof(struct region_head, checksum));
}

/* A C library with another idea of a robust mutex must not touch ours. */
static uint32_t abi_of_this_program(void)
{
    struct heald_lifeline fresh;
    uint32_t shape = (uint32_t)sizeof(struct region_slot) << 16;

    if (heald_plat_life_init(&fresh) == 0)
        shape ^= (uint32_t)hash(&fresh, sizeof fresh);
    return shape;
}

static uint64_t round_up(uint64_t n)
{
    return (n + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

void region_layout(struct region_head *head, unsigned slots, uint64_t data_size)
{
    head->slots = slots;
    head->slot_size = sizeof(struct region_slot);
    head->slots_at = REGION_ALIGN;
    head->data_at = REGION_ALIGN + round_up((uint64_t)slots * head->slot_size);
    head->size = head->data_at + round_up(data_size);
}

void region_seal(struct region_head *head)
{
    head->magic = REGION_MAGIC;
    head->version = REGION_VERSION;
    head->abi = abi_of_this_program();
    head->checksum = checksum_of(head);
}

int region_check(const struct region_head *head, uint64_t size)
{
    struct region_head want = {0};

    if (head->magic != REGION_MAGIC)
        return -ENOEXEC;
    if (head->version != REGION_VERSION)
        return -EPROTONOSUPPORT;
    if (head->checksum != checksum_of(head))
        return -EBADMSG;
    if (head->abi != abi_of_this_program())
        return -EPROTONOSUPPORT;
    if (!head->slots || head->slots > REGION_SLOTS_MAX || head->size != size ||
        head->data_at >= size)
        return -EBADMSG;
    region_layout(&want, head->slots, size - head->data_at);
    return want.data_at == head->data_at && want.slots_at == head->slots_at &&
                   want.slot_size == head->slot_size && want.size == size
               ? 0
               : -EBADMSG;
}
