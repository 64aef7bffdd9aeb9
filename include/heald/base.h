/* heald/base.h: units, version, error text; included by every other header. */
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

/* Every function that is exported carries this mark; heald.map lists the same names. */
#define HEALD_API __attribute__((visibility("default")))

/* All times are int64_t nanoseconds. A deadline is a point on the monotonic clock. */
#define HEALD_US      ((int64_t)1000)
#define HEALD_MS      ((int64_t)1000000)
#define HEALD_SEC     ((int64_t)1000000000)
#define HEALD_FOREVER INT64_MAX

/* The struct of `type` whose field `member` lies at `ptr`. */
#define heald_container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * The text for an error code of this library (0 or -errno, as every call returns it), with heald's
 * own meaning where that is narrower than the system's. The string is static. Thread-safe and
 * signal-safe. A code that nobody knows gives "unknown error".
 */
HEALD_API const char *heald_strerror(int err);

/*
 * Room for a sentence that says why a call failed: which option or variable, its value, what may be
 * given; or which step of the system. The caller's, filled on failure only.
 */
struct heald_why {
    char text[256];
};

/* The version of the library that is loaded, as "0.1.0". Static, thread-safe, signal-safe. */
HEALD_API const char *heald_version(void);

#ifdef __cplusplus
}
#endif
#endif
