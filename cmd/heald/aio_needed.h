/* aio_needed.h: which libraries a program is linked with. */
#ifndef HEALD_CMD_AIO_NEEDED_H
#define HEALD_CMD_AIO_NEEDED_H

#include <stdbool.h>
#include <stddef.h>

/* Whether this is the name, or the path, of the library of AddressSanitizer, of gcc or of clang. */
bool aio_is_asan(const char *library, size_t len);

/* The name of AddressSanitizer's library where the ELF file for 64 bits is linked with it; else "",
 * also where it is part of the program. */
void aio_needed_asan(int fd, char *ret_name, size_t size);

#endif
