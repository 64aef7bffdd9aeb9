/*
 * fuzz/addr.c: addresses from text: whatever is accepted has a text of its own, which is accepted
 * again and means the same.
 */
#include "fuzz.h"

#include <heald/net.h>

#include <string.h>

enum { TEXT_MAX = 512 };

/* A name without a file may hold any byte; a text ends at the first 0. */
static int is_whole(const char *text, int len)
{
    return len > 0 && strlen(text) == (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX], again[TEXT_MAX];
    struct heald_addr addr, same, before;

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    memset(&addr, 0xa5, sizeof addr);
    before = addr;
    if (heald_addr_parse(text, &addr) < 0) {
        MUST(memcmp(&addr, &before, sizeof addr) == 0);
        return 0;
    }
    int len = heald_addr_format(&addr, again, sizeof again);
    MUST(is_whole(again, len));
    MUST(heald_addr_parse(again, &same) == 0);
    MUST(addr.len == same.len && memcmp(&addr, &same, sizeof addr) == 0);
    return 0;
}
