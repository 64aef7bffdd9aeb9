/*
 * test/model/queue.pml: the steps of src/await/queue.c, over a waiter whose entries the kernel
 * compares some time after they were armed, and wakes. What the loop does between two reads of a
 * word is one step, since no other sees it.
 */
#define QUEUES 4
#define NOWHERE QUEUES
#define UNSEEN 9

/* heald_queue_state; and what the kernel does with the entry of a queue. */
#define IDLE 0
#define ARMED 1
#define LEAVING 2
#define NONE 0
#define HANDED 1
#define ASLEEP 2
#define WOKEN 3
#define ENDED 4

typedef queue_t {
    byte state, entry, word, seen;
    byte users;   /* bit i: op i stands there */
    bool listed;  /* is found by its word */
    bool recalled /* its cancel is on the way */
}

queue_t queue[QUEUES];
byte word[2];
byte stands[2] = NOWHERE; /* of each op: at which queue */
byte due, pending;        /* bit i: op i */
byte passing;             /* wakes that are to be passed on */
byte other;               /* of another process that waits for word 0: ASLEEP, WOKEN */

#define HAS(set, i) ((set >> i) & 1)
#define ADD(set, i) set = set | (1 << i)
#define DEL(set, i) set = set & ~(1 << i)
#define SLEEPS(q, w) (queue[q].entry == ASLEEP && queue[q].word == w)
#define WAKE(q, w) queue[q].entry = (SLEEPS(q, w) -> WOKEN : queue[q].entry)

inline wake_all(w) {
    WAKE(0, w); WAKE(1, w); WAKE(2, w); WAKE(3, w);
    other = (w == 0 && other == ASLEEP -> WOKEN : other)
}

/* One of those who sleep on word 0, whichever. */
inline wake_one() {
    if
    :: other == ASLEEP -> other = WOKEN
    :: SLEEPS(0, 0) -> queue[0].entry = WOKEN
    :: SLEEPS(1, 0) -> queue[1].entry = WOKEN
    :: SLEEPS(2, 0) -> queue[2].entry = WOKEN
    :: SLEEPS(3, 0) -> queue[3].entry = WOKEN
    :: else
    fi
}

inline disarm(q) {
    if
    :: queue[q].state == ARMED -> queue[q].state = LEAVING; queue[q].recalled = true
    :: else
    fi
}

inline leave(op) {
    q = stands[op];
    if
    :: q == NOWHERE
    :: else ->
        stands[op] = NOWHERE;
        DEL(queue[q].users, op);
        if
        :: queue[q].users == 0 -> queue[q].listed = false; disarm(q)
        :: else
        fi
    fi
}

#define IS_OF(q, w) (queue[q].listed && queue[q].word == w)
#define IS_FREE(q) (queue[q].users == 0 && queue[q].state == IDLE)

/* The queue of a word, or one that nobody uses. */
inline find_queue(w) {
    if
    :: IS_OF(0, w) -> q = 0
    :: IS_OF(1, w) -> q = 1
    :: IS_OF(2, w) -> q = 2
    :: IS_OF(3, w) -> q = 3
    :: else ->
        q = (IS_FREE(0) -> 0 : (IS_FREE(1) -> 1 : (IS_FREE(2) -> 2 : (IS_FREE(3) -> 3 : QUEUES))));
        assert(q < QUEUES);
        queue[q].listed = true;
        queue[q].word = w;
        queue[q].seen = UNSEEN
    fi
}

inline stand(op, w) {
    leave(op);
    find_queue(w);
    stands[op] = q;
    ADD(queue[q].users, op)
}

/* The op waits at the queue of this word, where it saw that. */
inline join(op, w, saw) {
    q = stands[op];
    if
    :: q < QUEUES && queue[q].word == w
    :: q == NOWHERE || queue[q].word != w -> stand(op, w)
    fi;
    if
    :: queue[q].seen == saw
    :: queue[q].seen != saw ->
#ifdef MUTANT_JOIN_ANY
        queue[q].seen = (queue[q].state == IDLE -> saw : queue[q].seen)
#else
        disarm(q); queue[q].seen = saw
#endif
    fi;
    if
    :: queue[q].state == IDLE -> queue[q].state = ARMED; queue[q].entry = HANDED
    :: else
    fi
}

/* The kernel: it compares under the lock that a wake takes; a recall finds who sleeps. What the
 * entry compares is what it was armed with: it changes only when the entry is recalled. */
inline compare(q) {
    queue[q].entry = (queue[q].recalled || word[queue[q].word] != queue[q].seen -> ENDED : ASLEEP)
}

inline recall(q) {
    queue[q].recalled = false;
    queue[q].entry = (queue[q].entry == ASLEEP -> ENDED : queue[q].entry)
}

#ifdef MUTANT_NO_PASS_ON
#define PASS_ON skip
#else
#define PASS_ON passing++
#endif

inline queue_ended(q) {
    if
    :: WAKES_ONE && queue[q].entry == WOKEN && queue[q].word == 0 &&
       (queue[q].state == LEAVING || queue[q].users == 0) -> PASS_ON
    :: else
    fi;
#ifdef MUTANT_FORGET_RECALLED
    due = (queue[q].state == LEAVING -> due : due | queue[q].users);
#else
#ifdef MUTANT_ONE_DUE
    due = due | (HAS(queue[q].users, 0) -> 1 : queue[q].users);
#else
    due = due | queue[q].users;
#endif
#endif
    queue[q].state = IDLE;
    queue[q].entry = NONE;
    queue[q].recalled = false
}

/* What the waiter does on its own. An end is reported when nothing is being tried. */
#define ROAD(q)                                                                          \
    :: atomic { queue[q].entry == HANDED -> compare(q) }                                 \
    :: atomic { queue[q].recalled && queue[q].entry != HANDED -> recall(q) }             \
    :: atomic { queue[q].entry == WOKEN || queue[q].entry == ENDED -> queue_ended(q) }
#define ROADS ROAD(0) ROAD(1) ROAD(2) ROAD(3) :: atomic { passing > 0 -> passing--; wake_one() }
