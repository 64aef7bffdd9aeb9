// test/public/cplusplus.cc: the headers compile as C++17 in one unit, and what they declare links.
#include <heald/heald.h>

#include <cstdio>
#include <cstring>

int main()
{
    bool linked = std::strcmp(heald_version(), "") != 0 && heald_strerror(0) != nullptr;
    std::printf("# %d passed, %d failed, 0 skipped\n", linked, !linked);
    return linked ? 0 : 1;
}
