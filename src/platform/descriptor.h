/*
 * platform/descriptor.h: what the POSIX AIO drop-in asks about the descriptors of a program that
 * knows nothing of it. Linux alone.
 *
 * None of these blocks, but heald__plat_close(). -errno.
 */
#ifndef HEALD_SRC_PLATFORM_DESCRIPTOR_H
#define HEALD_SRC_PLATFORM_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct heald_descriptor {
    uint64_t dev, ino;
    bool reads, writes;          /* it was opened for */
    bool appends, waits, direct; /* O_APPEND, not O_NONBLOCK, O_DIRECT */
    bool seeks;                  /* pread(2) means what it says */
    bool regular;
    bool finite; /* operations on it end by themselves: on a disk, without a peer that may sleep */
    bool rings;  /* io_uring does it, or waits for it, and never blocks the submitter or reaper */
    bool socket, pipe;
    bool serial; /* it seeks, and the order of what is done to it counts, as of a tape */
};

/* What is known of mounts, so as not to ask each time. Zeroed: nothing. */
enum { HEALD_MOUNTS = 16 };
struct heald_mounts {
    struct heald_mount {
        uint64_t id; /* never 0 */
        bool answered;
    } known[HEALD_MOUNTS];
};

/* What is known of it without looking at the file: the first three lines of flags. 0 or -EBADF. */
int heald__plat_descriptor_flags(int fd, struct heald_descriptor *ret);

/* The rest; no server of a network's or FUSE's is asked for it, from Linux 6.8 on. */
int heald__plat_descriptor_file(int fd, struct heald_mounts *mounts, struct heald_descriptor *ret);

/* Of a regular file; its server may be asked. */
int64_t heald__plat_regular_size(int fd);

/* May its last close(2) wait: of a socket with SO_LINGER, or a serial line with output? */
bool heald__plat_close_waits(int fd);

/* Does a socket set the times and amounts of read(2), or write(2), that io_uring does not heed:
 * SO_RCVTIMEO, SO_RCVLOWAT, SO_SNDTIMEO? */
bool heald__plat_socket_is_timed(int fd, bool writes);

/* Are they the same open file? False as well when the kernel does not say. */
bool heald__plat_same_file(int a, int b);

/* Another number for the same open file, as high as there are some below the limit. */
int heald__plat_pin(int fd);

/* How many threads has this process, without a main thread that has ended and those of the kernel's
 * that work for a ring? -errno. */
int heald__plat_threads_alive(void);

/* write(2), no cancellation point: bytes, or -errno. Unlike pwritev(2), of no bytes as well. */
int64_t heald__plat_write(int fd, const void *buf, size_t len);

/* Reads what is in the page cache, and is no cancellation point: bytes, or -errno, of which -EAGAIN
 * is the most usual one. */
int64_t heald__plat_read_cached(int fd, void *buf, size_t len, int64_t offset);

/* The C library's own, cancellation points and errno included. */
int heald__plat_libc_close(int fd);
int heald__plat_libc_fclose(FILE *file);
FILE *heald__plat_libc_freopen(const char *path, const char *mode, FILE *file);
int heald__plat_libc_dup2(int from, int to);
int heald__plat_dup3(int from, int to, int flags);
int heald__plat_close_range(unsigned first, unsigned last, int flags);

#endif
