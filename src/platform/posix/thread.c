/* platform/posix/thread.c: see sys.h. */
#include "platform/sys.h"

bool heald__plat_parallel(void)
{
    return heald__plat_processors(2) > 1;
}
