/*
 * op/kinds.h: the table of the kinds of op. All that is true of a kind stands in its row:
 *
 *   X(KIND, name, events, start, cancel, attempt, call, entry, traits)
 *
 *   KIND     OP_KIND of enum op_kind
 *   name     what heald_op_kind() returns
 *   events   what of poll(2) it waits for                         op/op.c        events_…()
 *   start    how the loop takes it                                loop/submit.c  start_…()
 *   cancel   how its end is asked for, while no callback is due   loop/submit.c  cancel_…()
 *   attempt  one attempt, which never waits
 *              on a descriptor                                    loop/perform.c attempt_…()
 *              on what lies in a region: its form                 await/lock.c   heald__sync_…_form
 *              on a lock of others                      await/futex.c try_…(), abandon_…()
 *              after a pause                                      await/retry.c  attempt_…()
 *   call     the system call for it, which may block              file/file.c    call_…()
 *              by a thread, on a duplicate of the descriptor
 *   entry    the entry of an io_uring for it                      ring/fill.c    fill_…()
 *   traits   what the loop must know before it looks closer       op/op.h        OP_PUBLIC, …
 *
 * A column holds the end of a function's name. The file on the right expands its column into a
 * table of its own. So nothing here refers to a higher floor, and a kind whose function is missing
 * there does not compile. `none` is written where a kind has no such function; the file says what a
 * call of it does.
 *
 * A file that knows the kinds of one group only expands that group.
 *
 * An op waits on one descriptor, or names one: `int fd` is the first member of its struct in the
 * union of struct heald_op. With OP_COUNTS u.rw.len is how much is asked for.
 */
#ifndef HEALD_SRC_OP_KINDS_H
#define HEALD_SRC_OP_KINDS_H

/* A row has its own layout. */
/* clang-format off */

/* They wait in the queue of a descriptor: in the order of submission, inwards and outwards. */
#define HEALD_KINDS_QUEUED(X) \
    X(READ,         "read",             in,  fd, held, rw,           rw,           read, \
      OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_INWARD | OP_RW) \
    X(READV,        "readv",            in,  fd, held, rw,           rw,           readv, \
      OP_PUBLIC | OP_ON_FD | OP_INWARD | OP_RW | OP_VECTOR) \
    X(RECV,         "recv",             in,  fd, held, recv,         none,         recv, \
      OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_PLAIN) \
    X(RECVMSG,      "recvmsg",          in,  fd, held, recvmsg,      none,         recvmsg, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD) \
    X(READ_ALL,     "read-all",         in,  fd, held, rw,           rw,           read, \
      OP_PUBLIC | OP_ON_FD | OP_INWARD | OP_RW | OP_ALL) \
    X(RECV_ALL,     "recv-all",         in,  fd, held, recv_all,     none,         recv_all, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_ALL) \
    X(RECV_MULTI,   "recv-multishot",   in,  fd, held, recv_multi,   none,         recv_multi, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_MULTI | OP_KEEPS | OP_TIDIES | OP_GROUP) \
    X(RECV_RUN, "recv-run-multishot", in,  fd, held, recv_run, none, recv_run, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_MULTI | OP_KEEPS | OP_TIDIES | OP_GROUP) \
    X(READ_MULTI,   "read-multishot",   in,  fd, held, read_multi,   none,         read_multi, \
      OP_PUBLIC | OP_ON_FD | OP_INWARD | OP_MULTI | OP_KEEPS | OP_TIDIES | OP_GROUP) \
    X(RECVFROM_MULTI, "recvfrom-multishot", in, fd, held, recvfrom_multi, none, recvfrom_multi, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_MULTI | OP_KEEPS | OP_TIDIES | OP_GROUP) \
    X(ACCEPT,       "accept",           in,  fd, held, accept,       accept,       accept, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_ACCEPTS | OP_WHOLE) \
    X(ACCEPT_MULTI, "accept-multishot", in,  fd, held, accept_multi, accept_multi, accept_multi, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_INWARD | OP_ACCEPTS | OP_WHOLE | OP_MULTI | OP_KEEPS) \
    X(WRITE,        "write",            out, fd, held, rw,           rw,           write, \
      OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_RW) \
    X(WRITEV,       "writev",           out, fd, held, rw,           rw,           writev, \
      OP_PUBLIC | OP_ON_FD | OP_RW | OP_VECTOR) \
    X(SEND,         "send",             out, fd, held, send,         none,         send, \
      OP_PUBLIC | OP_COUNTS | OP_ON_FD | OP_SOCKET | OP_PLAIN) \
    X(SENDMSG,      "sendmsg",          out, fd, held, sendmsg,      none,         sendmsg, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET) \
    X(WRITE_ALL,    "write-all",        out, fd, held, rw,           rw,           write, \
      OP_PUBLIC | OP_ON_FD | OP_RW | OP_ALL) \
    X(SEND_ALL,     "send-all",         out, fd, held, send_all,     none,         send_all, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_ALL) \
    X(SENDFILE,     "sendfile",         out, fd, held, sendfile,     sendfile,     none, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_READINESS) \
    X(CONNECT,      "connect",          out, fd, held, connect,      connect,      connect, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET | OP_WHOLE) \
    X(MQ_RECEIVE,   "mq-receive",       in,  fd, held, mq_receive,   none,         none, \
      OP_PUBLIC | OP_ON_FD | OP_INWARD | OP_READINESS | OP_MQ) \
    X(MQ_SEND,      "mq-send",          out, fd, held, mq_send,      none,         none, \
      OP_PUBLIC | OP_ON_FD | OP_READINESS | OP_MQ) \
    X(SHUTDOWN,     "shutdown",         out, fd, held, shutdown,     none,         shutdown, \
      OP_PUBLIC | OP_ON_FD | OP_SOCKET)

/* They wait on a descriptor beside the queues, for no op before them. The _ASIDE receive urgent
 * data or from the error queue. WATCH is the loop's own and calls fn at every readiness. */
#define HEALD_KINDS_BESIDE(X) \
    X(POLL,          "poll",    asked,          beside, held, none,    none, poll, \
      OP_PUBLIC | OP_BESIDE) \
    X(POLL_MULTI,    "poll-multishot", asked,   beside, held, none,    none, poll, \
      OP_PUBLIC | OP_BESIDE | OP_MULTI) \
    X(RECV_ASIDE,    "recv",    urgent_recv,    beside, held, recv,    none, poll, \
      OP_PUBLIC | OP_BESIDE | OP_INWARD | OP_SOCKET) \
    X(RECVMSG_ASIDE, "recvmsg", urgent_recvmsg, beside, held, recvmsg, none, poll, \
      OP_PUBLIC | OP_BESIDE | OP_INWARD | OP_SOCKET) \
    X(WATCH,         "watch",   in,             none,   none, none,    none, watch, \
      OP_BESIDE)

/* On files, and on files that are mapped. */
#define HEALD_KINDS_FILE(X) \
    X(CLOSE,        "close",        none, close, close, none, close,        close, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(OPEN,         "open",         none, file,  held,  none, open,         open, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(OPEN_BENEATH, "open-beneath", none, file,  held,  none, open_beneath, open_beneath, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(STAT,         "stat",         none, file,  held,  none, stat,         stat, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(FSYNC,        "fsync",        none, file,  held,  none, fsync,        fsync, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(UNLINK,       "unlink",       none, file,  held,  none, unlink,       unlink, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(RMDIR,        "rmdir",        none, file,  held,  none, unlink,       unlink, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(MKDIR,        "mkdir",        none, file,  held,  none, mkdir,        mkdir, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(SYMLINK,      "symlink",      none, file,  held,  none, symlink,      symlink, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(LINK,         "link",         none, file,  held,  none, link,         link, \
      OP_PUBLIC | OP_NAMES_PATH | OP_FLAGS) \
    X(LINK_FD,      "link",         none, file,  held,  none, link_fd,      none, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(RENAME,       "rename",       none, file,  held,  none, rename,       rename, \
      OP_PUBLIC | OP_NAMES_PATH | OP_FLAGS) \
    X(READLINK,     "readlink",     none, file,  held,  none, readlink,     none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(CHMOD,        "chmod",        none, file,  held,  none, chmod,        none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(CHOWN,        "chown",        none, file,  held,  none, chown,        none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(UTIMENS,      "utimens",      none, file,  held,  none, utimens,      none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(FTRUNCATE,    "ftruncate",    none, file,  held,  none, ftruncate,    ftruncate, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(FALLOCATE,    "fallocate",    none, file,  held,  none, fallocate,    fallocate, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(STATFS,       "statfs",       none, file,  held,  none, statfs,       none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(COPY_RANGE,   "copy-range",   none, file,  held,  none, copy_range,   none, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(TEMPFILE,     "tempfile",     none, file,  held,  none, tempfile,     none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(TEMPFILE_UNNAMED, "tempfile", none, file,  held,  none, tempfile_unnamed, none, \
      OP_PUBLIC | OP_NAMES_PATH) \
    X(READDIR,      "readdir",      none, file,  held,  none, readdir,      none, \
      OP_PUBLIC | OP_NAMES_FD) \
    X(FILE_LOCK,    "file-lock",    none, file_lock, held, none, file_lock, none, \
      OP_PUBLIC | OP_NAMES_FD | OP_LOCKS) \
    X(FILE_UNLOCK,  "file-unlock",  none, file_lock, held, none, file_lock, none, \
      OP_PUBLIC | OP_NAMES_FD | OP_LOCKS) \
    X(FLOCK,        "flock",        none, file_lock, held, none, flock,     none, \
      OP_PUBLIC | OP_NAMES_FD | OP_LOCKS) \
    X(MAP_SYNC,     "map-sync",     none, file,  held,  none, map_sync,     none, \
      OP_PUBLIC) \
    X(MAP_READ,     "map-prefault", none, file,  held,  none, map_read,     none, \
      OP_PUBLIC) \
    X(MAP_WRITE,    "map-prefault", none, file,  held,  none, map_write,    none, \
      OP_PUBLIC)

/* Time, signals and the ends of children. */
#define HEALD_KINDS_OTHER(X) \
    X(TIMER,  "timer",  none, timer,  timer,  none, none, none, OP_PUBLIC | OP_MULTI) \
    X(SIGNAL, "signal", none, signal, signal, none, none, none, OP_PUBLIC | OP_MULTI) \
    X(CHILD,  "child",  in,   child,  held,   none, none, poll, OP_PUBLIC | OP_BESIDE | OP_TIDIES)

/* What no event announces: they are tried after a pause, again and again. */
#define HEALD_KINDS_RETRIED(X) \
    X(FIFO_OPEN, "fifo-open", none, retry, retry, fifo,   none, none, OP_PUBLIC) \
    X(MSGSND,    "msgsnd",    none, retry, retry, msgsnd, none, none, OP_PUBLIC) \
    X(MSGRCV,    "msgrcv",    none, retry, retry, msgrcv, none, none, OP_PUBLIC)

/* Functions on threads. */
#define HEALD_KINDS_WORK(X) \
    X(WORK,            "work", none, work, work, none, none, none, \
      OP_PUBLIC | OP_ON_THREAD | OP_TIDIES) \
    X(WORK_DETACHABLE, "work", none, work, work, none, none, none, \
      OP_PUBLIC | OP_ON_THREAD | OP_TIDIES)

/* Names: their addresses, and connections to them. */
#define HEALD_KINDS_NAME(X) \
    X(LOOKUP,       "lookup",       none, lookup, lookup, none, none, none, \
      OP_PUBLIC | OP_ON_THREAD) \
    X(CONNECT_NAME, "connect-name", none, race,   race,   none, none, none, \
      OP_PUBLIC | OP_ON_THREAD)

/* On what lies in a region. Of a condition the form is that of the second half, the mutex. */
#define HEALD_KINDS_LOCK(X) \
    X(MUTEX,   "mutex-lock",   none, lock, lock, mutex,   none, none, OP_PUBLIC | OP_SHOWN) \
    X(COND,    "cond-wait",    none, lock, lock, mutex,   none, none, OP_PUBLIC | OP_SHOWN) \
    X(SEM,     "sem-wait",     none, lock, lock, sem,     none, none, OP_PUBLIC | OP_SHOWN) \
    X(RDLOCK,  "rdlock",       none, lock, lock, rdlock,  none, none, OP_PUBLIC | OP_SHOWN) \
    X(WRLOCK,  "wrlock",       none, lock, lock, wrlock,  none, none, OP_PUBLIC | OP_SHOWN) \
    X(BARRIER, "barrier-wait", none, lock, lock, barrier, none, none, OP_PUBLIC | OP_SHOWN) \
    X(ONCE,    "once-begin",   none, lock, lock, once,    none, none, OP_PUBLIC | OP_SHOWN) \
    X(QUEUE_SEND,    "queue-send",    none, lock, lock, queue_send,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(QUEUE_RECV,    "queue-recv",    none, lock, lock, queue_recv,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(QUEUE_RESERVE, "queue-reserve", none, lock, lock, queue_reserve, none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(QUEUE_PEEK,    "queue-peek",    none, lock, lock, queue_peek,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(SERVICE_CALL,    "service-call",    none, lock, lock, service_call,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(SERVICE_RECEIVE, "service-receive", none, lock, lock, service_receive, none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(TOPIC_LOAN,    "topic-loan",    none, lock, lock, topic_loan,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(TOPIC_PUBLISH, "topic-publish", none, lock, lock, topic_publish, none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(TOPIC_TAKE,    "topic-take",    none, lock, lock, topic_take,    none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE) \
    X(TOPIC_EVENT,   "topic-wait",    none, lock, lock, topic_event,   none, none, \
      OP_PUBLIC | OP_SHOWN | OP_MESSAGE)

/* On what others wait with. */
#define HEALD_KINDS_FUTEX(X) \
    X(PTHREAD_MUTEX, "pthread-mutex-lock", none, lock, lock, mutex, none, none, \
      OP_PUBLIC | OP_NO_REGION) \
    X(SEM_T,         "sem_t-wait",         none, lock, lock, sem,   none, none, \
      OP_PUBLIC | OP_NO_REGION) \
    X(FUTEX,         "futex-wait",         none, lock, lock, word,  none, none, \
      OP_PUBLIC | OP_NO_REGION) \
    X(FUTEX_ANY,     "futex-wait-any",     none, lock, lock, any,   none, none, \
      OP_PUBLIC | OP_NO_REGION)

/* The library's own: a ring waits for words, or for a while; the end of a descriptor's pause; what
 * another thread posts; a question to the C library; the pause of what is tried again. */
#define HEALD_KINDS_OWN(X) \
    X(WORDS, "words", none, none, none, none, none, words, OP_DIRECT) \
    X(TICK,  "tick",  none, none, none, none, none, tick,  OP_DIRECT) \
    X(PAUSE, "pause", none, none, none, none, none, none,  0) \
    X(RETRY, "retry", none, none, none, none, none, none,  0) \
    X(POST,  "post",  none, none, none, none, none, none,  0) \
    X(RESOLVE, "resolve", none, none, none, none, none, none, OP_DIRECT)

/* All. NONE was never prepared, or its prep refused. */
#define HEALD_KINDS(X) \
    X(NONE, "none", none, none, none, none, none, none, 0) \
    HEALD_KINDS_QUEUED(X) \
    HEALD_KINDS_BESIDE(X) \
    HEALD_KINDS_FILE(X) \
    HEALD_KINDS_OTHER(X) \
    HEALD_KINDS_RETRIED(X) \
    HEALD_KINDS_WORK(X) \
    HEALD_KINDS_NAME(X) \
    HEALD_KINDS_LOCK(X) \
    HEALD_KINDS_FUTEX(X) \
    HEALD_KINDS_OWN(X)

/* clang-format on */

#endif
