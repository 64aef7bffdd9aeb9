/*
 * region/region.h: what the objects of sync/ need of a region: the caller's id, whether another
 * participant still lives, and to wait.
 */
#ifndef HEALD_SRC_REGION_REGION_H
#define HEALD_SRC_REGION_REGION_H

#include <heald/region.h>

#include "platform/spin.h"
#include "region/eventcount.h"
#include "region/layout.h"

#include <limits.h>
#include <stdbool.h>

struct heald_region {
    char *base;
    uint64_t names_at, data_at, heap_at, first_size, max_size;
    struct region_slot *slots;
    struct region_name *names;
    struct region_order *order; /* NULL: is not recorded */
    struct region_local *local;
    struct region_handles *handles; /* atomic: all that were made here (handle.c) */
    unsigned slot_count, name_count;
    int fd;
    bool is_read_only;
    bool is_snapshot; /* `base` is a copy of what lies in front of the data; nothing is mapped */
    size_t mapped;    /* bytes at `base` */
    char *temporary;  /* the path of one whose name goes with its last user, or NULL */
    void (*on_inversion)(const struct heald_inversion *inversion, void *ctx);
    void *inversion_ctx;
};

enum { REGION_HELD_MAX = 16 };

/*
 * A handle: `id` 0 is nobody, and then all else may be 0, too. Made by heald_attach() and never
 * used for another participant (handle.c).
 *
 * id: generation << 32 | (slot + 1) << 16. The low sixteen bits are free for the flags of the words
 * that an object keeps it in, and the low half, on which others wait, is never 0.
 */
struct heald_participant {
    uint64_t id;
    uint64_t who; /* pid << 32 | thread, for people */
    struct heald_region *region;
    struct region_slot *slot;
    struct region_seat *seat;
    bool is_traced; /* its region records the order of locks */
    uint64_t site;  /* where it was last about to wait, for people */
};

/* A lock that a participant holds, in the order of locks. */
struct region_held {
    uint64_t at;
    uint32_t lock;  /* its number */
    uint32_t times; /* how often it was taken */
};

/* What a participant knows of an object that it has checked, in private memory: which, and what. */
struct region_memo {
    const void *object;
    uint64_t words[15];
};

enum { REGION_MEMOS = 4 };

/* What this process keeps of a slot. Written by the holder of the slot's lifeline; `pending` by
 * loops. */
struct region_seat {
    struct heald_participant *me; /* atomic: the last that had the slot in this process, or NULL */
    char *handles;                /* where the next handle is made, or NULL */
    size_t used;                  /* bytes of that */
    int pending;                  /* atomic: ops that wait in loops */
    unsigned char held_count;     /* of `held`, if the region is traced */
    uint32_t asked;               /* changes with each try of heald__region_ask() */
    struct region_held held[REGION_HELD_MAX];
    struct spin spin; /* looks before a wait for a message (message/transfer.c) */
    struct region_memo memos[REGION_MEMOS]; /* region_memo_of() says which */
};

/* Of this process alone: a child of fork(2) finds it zeroed. */
struct region_local {
    int leaving;                /* atomic: how many are in heald_detach() */
    bool is_first;              /* the process that opened it, no child of that */
    uint64_t pid_space;         /* atomic: heald__region_pid_space(); 0: not asked yet */
    uint64_t time_space, boot;  /* atomic: those of heald__region_is_clock_of(); 0: not asked yet */
    uint64_t fenced, parallel;  /* atomic: of heald__region_is_fenced() and
                                 * heald__region_is_parallel(); 0: not asked yet */
    struct region_seat seats[]; /* one for each slot */
};

/* Where a participant remembers an object, or another one with the same number. */
static inline struct region_memo *region_memo_of(const struct heald_participant *me,
                                                 const void *object)
{
    return &me->seat->memos[(uintptr_t)object / 64 * 0x9e37 >> 8 & (REGION_MEMOS - 1)];
}

static inline size_t region_local_size(unsigned slots)
{
    return sizeof(struct region_local) + slots * sizeof(struct region_seat);
}

enum { REGION_ID_SHIFT = 16, REGION_ID_FLAGS = 0xffff };

static inline uint64_t region_id(uint64_t word)
{
    return word & ~(uint64_t)REGION_ID_FLAGS;
}

/* The slot of an id; of 0, which is nobody, none that there is. */
static inline unsigned region_id_slot(uint64_t id)
{
    return (unsigned)(id >> REGION_ID_SHIFT & 0xffff) - 1;
}

/* The half of a word that changes with its holder and its flags. */
static inline uint32_t *region_half(uint64_t *word)
{
    const uint16_t one = 1;
    bool is_big_endian = *(const unsigned char *)&one == 0;
    return (uint32_t *)(void *)word + is_big_endian;
}

/* What lay there is no lock any more. */
void heald__region_order_forget(struct heald_region *region, uint64_t at, uint64_t size);

/* A handle that no participant has had, for the one that has the slot's lifeline now; the last one
 * of this process that had it is gone. 0, -ENOMEM. */
int heald__region_handle_new(struct heald_region *region, struct region_seat *seat,
                             struct heald_participant **ret_me);

/* Frees all. */
void heald__region_handles_free(struct heald_region *region);

/* open.c: as heald_region_open_fd(), but -EFBIG if its size, with what it may grow to, is above
 * size_max; whole: and -EBADMSG if not all of that is in the file already. */
int heald__region_open_copy(struct heald_region **ret_region, int fd, uint64_t size_max, bool whole,
                            const char **ret_why);

/* Maps a region of this size; a handle for it, which takes over base and fd. */
int heald__region_map(int fd, uint64_t size, bool read_only, char **ret_base);
int heald__region_adopt(struct heald_region **ret_region, char *base,
                        const struct region_head *head, int fd);

/* A snapshot of it: private memory with all that lies in front of the data. 0, -EBADMSG: the file
 * ends before that, -ENOMEM, -errno of the read. */
int heald__region_copy(int fd, const struct region_head *head, char **ret_base);

/* Copies bytes of the file of a region: 0, -EBADMSG: it ends before, -errno of the read. */
int heald__region_read(const struct heald_region *region, uint64_t at, void *buf, size_t size);

/* Is this path the name of that file? While it is claimed only heald_region_unlink() removes the
 * name. */
bool heald__region_has_name(int fd, const char *path);

/* The only user has opened it: all participants that it lists are gone. */
void heald__region_clear(struct heald_region *region);

struct stat;
bool heald__region_is_same_file(const struct stat *a, const struct stat *b);

/* The caller has closed that file, which had this name; removes the name if no process has it open.
 */
void heald__region_unlink_last(const char *path, const struct stat *file);

static inline struct region_head *region_head_of(const struct heald_region *region)
{
    return (struct region_head *)(void *)region->base;
}

/* How far it reaches now. */
static inline uint64_t region_size(const struct heald_region *region)
{
    /* Acquire: pairs with heald__region_grow(). */
    uint64_t size = __atomic_load_n(&region_head_of(region)->size, __ATOMIC_ACQUIRE);

    return size < region->max_size ? size : region->max_size;
}

/* Makes it reach further: 0, -ENOMEM, or -errno of the file system. Only under the lock of the
 * heap. */
int heald__region_grow(struct heald_region *region, uint64_t size);

/* Does all of this lie in the region, behind its slots and names? */
static inline bool region_holds(const struct heald_region *region, uint64_t at, uint64_t size)
{
    uint64_t end = region_size(region);

    return at >= region->data_at && at < end && size <= end - at;
}

static inline bool region_has(const struct heald_region *region, const void *object, size_t size)
{
    return region_holds(region, (uintptr_t)object - (uintptr_t)region->base, size);
}

/*
 * A place in the queue for an object, with me->site, from the moment that a participant must wait
 * for it: for the tools, and for locks that are fair. Where all places of the participant are in
 * use it waits without one, but is counted. For heald__region_dequeue(); 0: it does not lie in the
 * region.
 * heald__region_set_deadline: what the place shows as the end of the wait.
 */
unsigned heald__region_enqueue(struct heald_participant *me, const void *object,
                               enum heald_object_type kind, unsigned flags, int64_t deadline_ns);
void heald__region_set_deadline(const struct heald_participant *me, unsigned place,
                                int64_t deadline_ns);

/*
 * The caller is about to wait for what `holder` has; since when is not known (0), as the clock was
 * not read: so at least since now. If the holder changes at this moment it is that of the next one,
 * which has come no later than the caller goes to sleep.
 */
void heald__region_note_wait(const struct heald_participant *me, uint64_t holder, int64_t *since);

/* The same with the holder's note of the object, if there is one. */
void heald__region_note_wait_for(const struct heald_participant *me, uint64_t holder,
                                 const void *object);

/* The time, for people: exactly where the region is traced, else as cheaply as there is; 0. */
int64_t heald__region_stamp(const struct heald_participant *me);

void heald__region_dequeue(struct heald_participant *me, unsigned place);

/* The slot's new participant waits for nothing: what the last one left is removed. */
void heald__region_queue_clear(struct heald_region *region, unsigned slot);

/*
 * The note of an object in a slot: of those whose addresses share it the last that was taken. So of
 * some of the objects that a participant holds nothing may be known, but never anything of another.
 */
static inline struct region_note *region_note_of(struct region_slot *slot, uint64_t object)
{
    /* Fibonacci hashing, as heald__cells_claim(). */
    return &slot->notes[object / sizeof(uint64_t) * UINT64_C(0x9e3779b97f4a7c15) >> 61];
}

/* The participant has taken the object, which lies in its region, at `site`; since 0: the clock was
 * not read. A reader of a note reads the object before and after. */
static inline void region_note_taken(struct heald_participant *me, const void *object,
                                     uint64_t site, int64_t since)
{
    uint64_t at = (uint64_t)((const char *)object - me->region->base);
    struct region_note *note = region_note_of(me->slot, at);

    __atomic_store_n(&note->object, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&note->site, site, __ATOMIC_RELAXED);
    __atomic_store_n(&note->since, since, __ATOMIC_RELAXED);
    /* Release: pairs with the first load of tell_note() in inspect/. */
    __atomic_store_n(&note->object, at, __ATOMIC_RELEASE);
}

/* The first of the others in the queue for an object, if that is before the caller, or 0; dead
 * participants are skipped. *ret_behind: none is before, and there are, or may be, others behind:
 * one that has no place is behind all. */
uint64_t heald__region_first_waiter(struct heald_participant *me, const void *object,
                                    bool *ret_behind);

/* The PID name space of this process, which may be another than that of the process that opened the
 * region; 0: not known. */
uint64_t heald__region_pid_space(const struct heald_region *region);

/* Does this process take part in heavy barriers (platform/fence.h)? From the first question on, if
 * the system has them. */
bool heald__region_is_fenced(const struct heald_region *region);

/* Has the machine several processors? */
bool heald__region_is_parallel(const struct heald_region *region);

/* Is the monotonic clock of this process that of the slot's participant? */
bool heald__region_is_clock_of(const struct heald_region *region, const struct region_slot *slot);

/* Is a participant of this process attached? */
bool heald__region_in_use(struct heald_region *region);

/* The id of the participant that is attached there; 0: nobody is. */
uint64_t heald__region_id_of(const struct heald_region *region, const struct region_slot *slot);

/*
 * Whether the participant of an id is still there. -EOWNERDEAD: it is gone, and all waiters have
 * been woken to try again. 0: it lives. -EBADMSG: there cannot be such a participant.
 */
int heald__region_is_gone(struct heald_region *region, uint64_t id);

/* The same. tries: for one that does not wait, and may ask again and again. What only a system call
 * finds out, that a thread has called exec(3), it asks for in about one of 64 calls: that takes
 * longer than the rest of what it tries. */
int heald__region_ask(const struct heald_participant *me, uint64_t id, bool tries);

/* Read before the caller tries what it may have to wait for, and kept in its wait. From then on a
 * participant that finds a death rings the bell; bells of those that do not wait cost it no call.
 */
static inline uint32_t region_bell(const struct heald_participant *me)
{
    return eventcount_prepare(&me->slot->bell);
}

/* What a participant waits for: that the word is woken or differs from `seen`, that the participant
 * `holder` (0: nobody) dies, or that anybody was found dead since `bell`. */
struct region_wait {
    struct heald_participant *me;
    uint32_t *word;
    uint32_t seen, bell;
    uint64_t holder;
    uint64_t *guard; /* NULL, or the word of the mutex under which the participant that changes what
                      * is waited for may have died before it woke the waiters */
    bool several;    /* another than `holder` may have what is waited for, or have died before it
                      * woke the waiters: recheck periodically */
};

enum { REGION_WORDS = 3 };

/* The words in which all this shows. How many. */
unsigned heald__region_words(const struct region_wait *wait,
                             struct heald_word ret_words[REGION_WORDS]);

/* Is there a reason to try again? Checks more than the words: no process may have been left to
 * report a death. */
bool heald__region_has_changed(const struct region_wait *wait);

/* Waits. 0: try again, perhaps in vain; -ETIMEDOUT. */
int heald__region_wait(const struct region_wait *wait, int64_t deadline_ns);

/* For how long words alone may be relied on; see register.c. */
#define REGION_RECHECK_NS (50 * HEALD_MS)

/* The same where words are only compared now and then: one may have come round meanwhile. */
#define REGION_POLL_NS (4 * HEALD_MS)

#endif
