/*
 * heald/file_lock.h: locks on files, of the kernel's: on ranges of bytes (open file description
 * locks), and on whole files (flock(2)).
 *
 * Such a lock belongs to the open file, which duplicates of a descriptor and children of fork(2)
 * share. The kernel releases it when the last descriptor of the open file is closed: also when the
 * process dies. Programs that do not use heald see it; for them it is advice.
 *
 * An op completes when it has the lock. It is tried in heald_submit(); while another open file
 * holds a lock that conflicts, a thread of the loop waits for it, on every engine. No more than 32
 * threads wait so; the locks that others wait for are tried again after 1 to 250 ms. On a network
 * file system heald_submit() takes as long as the server takes to answer.
 *
 * A cancel or a deadline ends the wait. If the lock was obtained at the same moment the result is
 * 0, and the lock is held. heald_close(), heald_prep_close() and heald_forget() end the waits on a
 * descriptor. With a deadline that has passed an op is only tried.
 *
 * The kernel promises no order between waiters, and detects no deadlock of these locks. What waits
 * is shown by heald-locks(1).
 *
 * The preps do not block, and return as those of heald/io.h:
 *
 *   0         the op is prepared
 *   -EBUSY    the op is pending
 *   -EINVAL   as below
 */
#ifndef HEALD_FILE_LOCK_H
#define HEALD_FILE_LOCK_H

#include <heald/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a file is locked. */
enum heald_file_lock_mode {
    HEALD_FILE_UNLOCKED = 0,
    HEALD_FILE_SHARED = 1,   /* beside other shared locks */
    HEALD_FILE_EXCLUSIVE = 2 /* beside no other lock */
};

/*
 * Locks `size` bytes from `offset` on, with F_OFD_SETLK of fcntl(2); a size of 0 is all that
 * follows, however long the file becomes. A lock of the same open file is replaced where the ranges
 * overlap, and is no conflict. The result is 0 or -errno.
 *
 *   -EINVAL      (prep) mode is not HEALD_FILE_SHARED or HEALD_FILE_EXCLUSIVE; offset or size is
 *                negative
 *   -EBADF       (result) fd is not open for reading (SHARED) or for writing (EXCLUSIVE)
 *   -EOVERFLOW   (result) the range ends beyond the greatest offset
 *   -ENOLCK      (result) the system has no room for more locks
 *   -ENOSYS      (result) the system has no open file description locks
 */
HEALD_API int heald_prep_file_lock(struct heald_op *op, int fd, enum heald_file_lock_mode mode,
                                   int64_t offset, int64_t size);

/*
 * Unlocks a range: what the open file holds of it. It need not hold any. The result is 0 or -errno,
 * as above; it never waits.
 *
 *   -EINVAL   (prep) offset or size is negative
 */
HEALD_API int heald_prep_file_unlock(struct heald_op *op, int fd, int64_t offset, int64_t size);

/*
 * Locks or unlocks a whole file, as flock(2). These locks and those of ranges do not see each
 * other. A change from one mode to another is not atomic: the old lock is released first. The
 * result is 0 or -errno.
 *
 *   -EINVAL   (prep) mode is none of the three
 *   -ENOLCK   (result) the system has no room for more locks
 */
HEALD_API int heald_prep_flock(struct heald_op *op, int fd, enum heald_file_lock_mode mode);

#ifdef __cplusplus
}
#endif
#endif
