/* heald/base.h: units, version and error texts. Every other header includes it. */
#ifndef HEALD_BASE_H
#define HEALD_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEALD_VERSION_MAJOR 0
#define HEALD_VERSION_MINOR 1
#define HEALD_VERSION_PATCH 0

/* Marks every exported function. heald.map lists the same names. */
#define HEALD_API __attribute__((visibility("default")))

/* Units. A time is an int64_t in nanoseconds. A deadline is a point on the monotonic clock. */
#define HEALD_US      ((int64_t)1000)
#define HEALD_MS      ((int64_t)1000000)
#define HEALD_SEC     ((int64_t)1000000000)
#define HEALD_FOREVER INT64_MAX

/* The struct of `type` whose field `member` lies at `ptr`. */
#define heald_container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Returns the text of an error: 0 or -errno, as the functions return it. Where heald uses an error
 * in a narrower sense than the system, the text has that sense. "unknown error" is the text of an
 * unknown value. The string is static. Does not block. Any thread; async-signal-safe.
 */
HEALD_API const char *heald_strerror(int err);

/*
 * Space for a sentence that says why a call failed: the option or variable, its value and the valid
 * values; or the step of the system that failed. It belongs to the caller, and is filled on failure
 * only.
 */
struct heald_why {
    char text[256];
};

/* Returns the version of the loaded library, such as "0.1.0". The string is static. Does not block.
 * Any thread; async-signal-safe. */
HEALD_API const char *heald_version(void);

#ifdef __cplusplus
}
#endif
#endif
