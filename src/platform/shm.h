/*
 * platform/shm.h: files that are made whole before they have a name, and memory that no file is
 * behind. Calls block for as long as the file system takes. 0 or a descriptor, or -errno.
 */
#ifndef HEALD_SRC_PLATFORM_SHM_H
#define HEALD_SRC_PLATFORM_SHM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file on the way to its name. */
struct heald_draft {
    int fd;
    char temp[PATH_MAX]; /* empty: it has no name at all */
};

/* Where the shared memory objects of the system are, as files: a directory without a slash at its
 * end. */
extern const char *const heald__shm_directory;

/* A new file in the directory of `path`, on the same file system; close-on-exec. */
int heald__plat_draft_open(struct heald_draft *draft, const char *path, mode_t mode);
/* The same, with a name of its own for the time being. */
int heald__plat_draft_temp(struct heald_draft *draft, const char *path, mode_t mode);
/* Gives it its name: 0, -EEXIST. */
int heald__plat_draft_name(struct heald_draft *draft, const char *path);
/* The draft, named or not, is no longer needed; the descriptor stays open. */
void heald__plat_draft_end(struct heald_draft *draft);

/* Seals: what can no longer be done with a file: it cannot shrink, nor grow, nor be sealed further;
 * nor be written to, but by mappings that there are already. */
enum {
    HEALD_SEAL_SHRINK = 1,
    HEALD_SEAL_GROW = 2,
    HEALD_SEAL_SEAL = 4,
    HEALD_SEAL_FUTURE_WRITE = 8
};

/* Memory without a name; sealed. -EINVAL: the system has no such seal. */
int heald__plat_memfd(const char *name);
int heald__plat_memfd_seal(int fd, int seals);

/* The seals of the file of a descriptor. -EINVAL: it has none, and is no memfd, or one of huge
 * pages, which may be missing when they are touched. */
int heald__plat_memfd_seals(int fd);

/* The flock(2) of an open file: exclusive, else -EWOULDBLOCK; or shared, for which it waits while a
 * process has it exclusively. Only processes that lock it are seen. */
int heald__plat_file_claim(int fd);
int heald__plat_file_share(int fd);

/* Ends either, for all descriptors of this open file. */
void heald__plat_file_release(int fd);

/* Sets the size and has the room from `from` on set aside, so that a full file system says so here
 * and not by SIGBUS. What lies before `from` is not touched. */
int heald__plat_reserve(int fd, uint64_t from, uint64_t size);

/* Zeroed private memory that a child of fork(2) finds zeroed. */
int heald__plat_private(size_t size, void **ret_memory);
void heald__plat_private_free(void *memory, size_t size);

/* Gives whole pages of it back to the system: they are zeroed. Others may read them meanwhile. */
void heald__plat_private_clear(void *memory, size_t size);

/* Since when the system runs: another number after each start of it; 0: not known. */
uint64_t heald__plat_boot(void);

/* When a process began, in the system's own unit; 0: not known. */
uint64_t heald__plat_start_time(pid_t pid);

/* The thread that calls, as the system numbers them. */
uint64_t heald__plat_thread_id(void);

/* The name space in which process and thread numbers mean something; 0: not known. */
uint64_t heald__plat_pid_space(void);

/* The name space in which the monotonic clock of this process means something; 0: there is but one,
 * or it is not known. */
uint64_t heald__plat_time_space(void);

/* Is there certainly no such thread, in the caller's own name space? */
bool heald__plat_thread_is_absent(pid_t pid, uint64_t thread);

/* How much memory the machine has; 0: not known. */
uint64_t heald__plat_memory(void);

#endif
