/*
 * platform/descriptor.h: what the POSIX AIO drop-in asks about the descriptors of a program that
 * knows nothing of it. Linux alone.
 *
 * None of these blocks, but heald_plat_close(). -errno.
 */
#ifndef HEALD_SRC_PLATFORM_DESCRIPTOR_H
#define HEALD_SRC_PLATFORM_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct heald_descriptor {
    uint64_t dev, ino;
    int64_t size;
    bool reads, writes;          /* it was opened for */
    bool appends, waits, direct; /* O_APPEND, not O_NONBLOCK, O_DIRECT */
    bool seeks;                  /* pread(2) means what it says */
    bool regular;
};

/* What is known of it without looking at the file: the first three lines of flags. 0 or -EBADF. */
int heald_plat_descriptor_flags(int fd, struct heald_descriptor *ret);

/* The rest. */
int heald_plat_descriptor_file(int fd, struct heald_descriptor *ret);

/* Are they the same open file? False as well when the kernel does not tell. */
bool heald_plat_same_file(int a, int b);

/* Another number for the same open file, which no program that counts from 0 will meet soon. */
int heald_plat_pin(int fd);

/* Reads what is in the page cache, and is no cancellation point: bytes, or -errno, of which -EAGAIN
 * is the most usual one. */
int64_t heald_plat_read_cached(int fd, void *buf, size_t len, int64_t offset);

/* The C library's own, cancellation points and errno included. */
int heald_plat_libc_close(int fd);
int heald_plat_libc_fclose(FILE *file);
int heald_plat_libc_dup2(int from, int to);
int heald_plat_dup3(int from, int to, int flags);
int heald_plat_close_range(unsigned first, unsigned last, int flags);

#endif
