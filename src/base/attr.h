/* base/attr.h: attributes of functions, for the compiler. */
#ifndef HEALD_SRC_BASE_ATTR_H
#define HEALD_SRC_BASE_ATTR_H

/* Stays a function of its own, so that those which call it now and then save no registers for it
 * in the usual case. */
#define HEALD_SEPARATE __attribute__((noinline))

/* Has no call and no frame of its own in any of the functions that use it. */
#define HEALD_INLINE static inline __attribute__((always_inline))

#endif
