/* region/layout.c: the head of a region, made and checked. Pure; any thread. See layout.h. */
#include "region/layout.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo): to detect accidents, not malice. */
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

    if (heald__plat_life_init(&fresh) == 0)
        shape ^= (uint32_t)hash(&fresh, sizeof fresh);
    return shape;
}

static uint64_t round_up(uint64_t n)
{
    return (n + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

void heald__region_layout(struct region_head *head, const struct region_shape *shape)
{
    uint64_t order = shape->is_traced ? sizeof(struct region_order) : 0;

    head->slots = shape->slots;
    head->slot_size = sizeof(struct region_slot);
    head->names = shape->names;
    head->flags = shape->is_traced ? REGION_TRACED : 0;
    head->slots_at = REGION_ALIGN;
    head->order_at = REGION_ALIGN + round_up((uint64_t)shape->slots * head->slot_size);
    head->names_at = head->order_at + round_up(order);
    head->data_at = head->names_at + round_up(shape->names * sizeof(struct region_name));
    head->heap_at = head->data_at + round_up(shape->data);
    head->first_size = head->heap_at + round_up(shape->heap);
    head->max_size = head->heap_at + round_up(shape->heap_max);
    head->size = head->first_size;
}

void heald__region_seal(struct region_head *head)
{
    head->magic = REGION_MAGIC;
    head->version = REGION_VERSION;
    head->abi = abi_of_this_program();
    head->checksum = checksum_of(head);
}

/* Do the offsets follow from the sizes? */
static bool is_laid_out(const struct region_head *head)
{
    struct region_head want = {0};

    if (!head->slots || head->slots > REGION_SLOTS_MAX || head->names > REGION_NAMES_MAX ||
        head->data_at >= head->heap_at || head->heap_at > head->first_size ||
        head->first_size > head->max_size || head->max_size > UINT64_MAX / 4)
        return false;
    heald__region_layout(&want, &(struct region_shape){.slots = head->slots,
                                                       .names = head->names,
                                                       .data = head->heap_at - head->data_at,
                                                       .heap = head->first_size - head->heap_at,
                                                       .heap_max = head->max_size - head->heap_at,
                                                       .is_traced = head->flags & REGION_TRACED});
    return want.slots_at == head->slots_at && want.order_at == head->order_at &&
           want.names_at == head->names_at && want.data_at == head->data_at &&
           want.heap_at == head->heap_at && want.slot_size == head->slot_size &&
           want.flags == head->flags;
}

int heald__region_check(const struct region_head *head, uint64_t file_size, const char **ret_why)
{
    if (head->magic != REGION_MAGIC) {
        *ret_why = "it does not begin as a region does";
        return -ENOEXEC;
    }
    if (head->version != REGION_VERSION) {
        *ret_why = "its layout is of another version";
        return -EPROTONOSUPPORT;
    }
    if (head->checksum != checksum_of(head)) {
        *ret_why = "the checksum of its head is wrong";
        return -EBADMSG;
    }
    if (head->abi != abi_of_this_program()) {
        *ret_why = "its robust mutexes are of another C library";
        return -EPROTONOSUPPORT;
    }
    if (!is_laid_out(head)) {
        *ret_why = "the parts that its head names do not fit";
        return -EBADMSG;
    }
    if (head->size < head->first_size || head->size > head->max_size) {
        *ret_why = "the size in its head is out of range";
        return -EBADMSG;
    }
    if (file_size < head->size) {
        *ret_why = "its file is shorter than its head says";
        return -EBADMSG;
    }
    return 0;
}
