/* test/unit/addr.c: addresses from text and back, and texts that are none. */
#include "harness/harness.h"

#include <heald/net.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *round_trip(const char *text)
{
    static char back[HEALD_ADDR_TEXT];
    struct heald_addr addr;

    int err = heald_addr_parse(text, &addr);
    ck_assert_msg(err == 0, "%s: %s", text, heald_strerror(err));
    int n = heald_addr_format(&addr, back, sizeof back);
    ck_assert_int_eq(n, (int)strlen(back));
    return back;
}

HEALD_CASE(there_and_back)
{
    static const char *const same[] = {
        "127.0.0.1:80",     "0.0.0.0:0",      "255.255.255.255:65535", "[::1]:80",
        "[::]:0",           "[fe80::1]:8080", "[2001:db8::1:2]:443",   "unix:/run/socket",
        "unix:relative",    "unix:@name",     "unix:@with space",      "fifo:/tmp/pipe",
        "unix:/with:colon", "fifo:x",         "[::ffff:1.2.3.4]:5"};

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        ck_assert_str_eq(round_trip(same[i]), same[i]);
    ck_assert_str_eq(round_trip("*:80"), "0.0.0.0:80");
    ck_assert_str_eq(round_trip("[0:0:0:0:0:0:0:1]:80"), "[::1]:80");
    ck_assert_str_eq(round_trip("127.0.0.1:00080"), "127.0.0.1:80");
    ck_assert_str_eq(round_trip("[fe80::1%lo]:80"), "[fe80::1%lo]:80");
    ck_assert_str_eq(round_trip("fifo:@no-abstract"), "fifo:@no-abstract");
}

HEALD_CASE(what_is_in_them)
{
    struct heald_addr addr;
    struct sockaddr_in in;

    ck_assert_int_eq(heald_addr_parse("1.2.3.4:513", &addr), 0);
    ck_assert_uint_eq(addr.len, sizeof in);
    memcpy(&in, &addr.u, sizeof in);
    ck_assert_int_eq(in.sin_family, AF_INET);
    ck_assert_int_eq(ntohs(in.sin_port), 513);
    ck_assert_uint_eq(ntohl(in.sin_addr.s_addr), 0x01020304);
    ck_assert_int_eq(heald_addr_parse("unix:@abc", &addr), 0);
    ck_assert_int_eq(addr.u.un.sun_path[0], 0);
    ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path) + 4);
    ck_assert_int_eq(heald_addr_parse("fifo:/x", &addr), 0);
    ck_assert_uint_eq(addr.len, 0);
    ck_assert_str_eq(addr.u.un.sun_path, "/x");
}

HEALD_CASE(texts_that_are_none)
{
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "80",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "1.2.3:80",
                                      "1.2.3.4.5:80",
                                      "256.1.1.1:80",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1: 80",
                                      "127.0.0.1:80 ",
                                      " 127.0.0.1:80",
                                      "127.0.0.1:8a",
                                      "127.0.0.1:+8",
                                      "127.0.0.1:99999999999999999999",
                                      "localhost:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]:",
                                      "[::1]80",
                                      "[::1:80",
                                      "[]:80",
                                      "[1.2.3.4]:80",
                                      "[::1%]:80",
                                      "[g::1]:80",
                                      "[::1]:80]",
                                      "[[::1]]:80",
                                      "*",
                                      "**:80",
                                      "unix:",
                                      "unix:@",
                                      "fifo:",
                                      "tcp:1.2.3.4:80",
                                      "0x7f.1:80",
                                      "127.1:80",
                                      "[:::]:80",
                                      "[::1%lo",
                                      "%:80"};
    struct heald_addr addr, copy;

    memset(&addr, 0x5a, sizeof addr);
    copy = addr;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(heald_addr_parse(bad[i], &addr) == -EINVAL, "\"%s\"", bad[i]);
    ck_assert_int_eq(heald_addr_parse(NULL, &addr), -EINVAL);
    ck_assert_int_eq(heald_addr_parse("[::g%nowhere]:80", &addr), -EINVAL);
    ck_assert_int_eq(heald_addr_parse("[fe80::1%nowhere]:80", &addr), -ENODEV);
    ck_assert_mem_eq(&addr, &copy, sizeof addr);
}

/* At the length that just fits, and one beyond. */
HEALD_CASE(long_paths)
{
    static const char *const scheme[] = {"unix:", "unix:@", "fifo:"};
    struct heald_addr addr;
    size_t room = sizeof addr.u.un.sun_path;

    for (int s = 0; s < 3; s++) {
        char text[512], back[HEALD_ADDR_TEXT];
        size_t before = strlen("unix:"), used = strlen(scheme[s]) - before;
        strcpy(text, scheme[s]);
        memset(text + before + used, 'x', sizeof text - before - used);
        text[before + room - 1] = 0;
        ck_assert_int_eq(heald_addr_parse(text, &addr), 0);
        ck_assert_int_eq(heald_addr_format(&addr, back, sizeof back), (int)strlen(text));
        ck_assert_str_eq(back, text);
        text[before + room - 1] = 'x';
        text[before + room] = 0;
        ck_assert_int_eq(heald_addr_parse(text, &addr), -ENAMETOOLONG);
    }
}

HEALD_CASE(hosts_that_are_too_long)
{
    char text[4096];
    struct heald_addr addr;

    for (size_t n = 1; n < sizeof text - 8; n = n * 3 / 2 + 1) {
        memset(text, '1', n);
        strcpy(text + n, ":80");
        ck_assert_int_eq(heald_addr_parse(text, &addr), -EINVAL);
        text[0] = '[';
        strcpy(text + n, "]:80");
        ck_assert_int_eq(heald_addr_parse(text, &addr), -EINVAL);
    }
}

/* As snprintf: the length of the whole text, and what fits of it. */
HEALD_CASE(little_room)
{
    struct heald_addr addr;
    char buf[32];

    ck_assert_int_eq(heald_addr_parse("127.0.0.1:8080", &addr), 0);
    ck_assert_int_eq(heald_addr_format(&addr, NULL, 0), 14);
    for (size_t size = 1; size < sizeof buf; size++) {
        memset(buf, '#', sizeof buf);
        ck_assert_int_eq(heald_addr_format(&addr, buf, size), 14);
        size_t fits = size <= 14 ? size - 1 : 14;
        ck_assert_uint_eq(strlen(buf), fits);
        ck_assert_mem_eq(buf, "127.0.0.1:8080", fits);
        ck_assert(size == sizeof buf || buf[fits + 1] == '#');
    }
    addr.u.sa.sa_family = AF_PACKET;
    ck_assert_int_eq(heald_addr_format(&addr, buf, sizeof buf), -EAFNOSUPPORT);
}

/* Whatever the text, it is an address whose text can be read again, or it is none. */
static void must_have_reason(const char *text, int err)
{
    if (!heald_addr_why(text) != (err != -EINVAL))
        ck_abort_msg("\"%s\": no reason, or one too many", text);
}

HEALD_CASE(why_a_text_is_none)
{
    static const struct {
        const char *text, *why;
    } cases[] = {{NULL, "no address"},
                 {"127.0.0.1", "no port"},
                 {"", "no port"},
                 {"127.0.0.1:", "behind the colon"},
                 {"127.0.0.1:http", "not a number"},
                 {":70000", "above 65535"},
                 {"example.org:80", "not numeric"},
                 {"[::1", "no ]"},
                 {"[::1]", "no port"},
                 {"[::1]80", "no port"},
                 {"[nonsense]:80", "no IPv6"},
                 {"unix:", "no path"}};
    struct heald_addr addr;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = heald_addr_why(cases[i].text);
        ck_assert_int_eq(heald_addr_parse(cases[i].text, &addr), -EINVAL);
        if (!why || !strstr(why, cases[i].why))
            ck_abort_msg("%s: %s", cases[i].text, why ? why : "no reason");
    }
    ck_assert_ptr_null(heald_addr_why("127.0.0.1:80"));
    ck_assert_ptr_null(heald_addr_why("unix:/tmp/x"));
}

HEALD_CASE(random_texts)
{
    static const char letters[] = "0123456789abcdef:.[]%*@/unixfo ";
    uint64_t state = 99;

    for (int i = 0; i < 200000; i++) {
        char text[40], back[2][HEALD_ADDR_TEXT];
        struct heald_addr addr;
        size_t n = 0;
        if (i % 4 == 0)
            n = (size_t)snprintf(text, sizeof text, "%s", i % 8 ? "[::" : "unix:");
        for (; n < sizeof text - 1; n++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            if (state >> 60 == 0)
                break;
            text[n] = letters[(state >> 33) % (sizeof letters - 1)];
        }
        text[n] = 0;
        int err = heald_addr_parse(text, &addr);
        must_have_reason(text, err);
        if (err)
            continue;
        if (heald_addr_format(&addr, back[0], sizeof back[0]) < 0 ||
            heald_addr_parse(back[0], &addr) ||
            heald_addr_format(&addr, back[1], sizeof back[1]) < 0 || strcmp(back[0], back[1]) != 0)
            ck_abort_msg("\"%s\" becomes \"%s\"", text, back[0]);
    }
}

int main(void)
{
    Suite *suite = suite_create("addr");
    TCase *group = harness_group(suite, "addr");

    harness_add(group, there_and_back);
    harness_add(group, what_is_in_them);
    harness_add(group, texts_that_are_none);
    harness_add(group, long_paths);
    harness_add(group, hosts_that_are_too_long);
    harness_add(group, little_room);
    harness_add(group, why_a_text_is_none);
    harness_add(group, random_texts);
    return harness_run(suite);
}
