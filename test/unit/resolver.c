/* test/unit/resolver.c: the words of systemd-resolved, who is asked for names, the order of
 * addresses, and textual addresses with names. */
#include "net/resolver.h"
#include "harness/harness.h"
#include "net/name.h"
#include "net/sort.h"
#include "net/varlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct heald_addr addrs[VARLINK_ADDRS];

static int reply(const char *text, int family)
{
    return heald__varlink_reply(text, strlen(text), family, htons(80), addrs);
}

static const char *text_of(const struct heald_addr *addr)
{
    static char text[HEALD_ADDR_TEXT];

    heald_addr_format(addr, text, sizeof text);
    return text;
}

#define V4(last) "{\"ifindex\":2,\"family\":2,\"address\":[192,0,2," last "]}"
#define V6(last) \
    "{\"family\":10,\"address\":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0," last "],\"ifindex\":null}"
#define LIST(items) "{\"parameters\":{\"addresses\":[" items "],\"name\":\"x\",\"flags\":1}}"
#define ERROR(name) "{\"error\":\"io.systemd.Resolve." name "\",\"parameters\":{}}"

HEALD_CASE(questions)
{
    char buf[VARLINK_REQUEST], host[400];
    static const char want[] = "{\"method\":\"io.systemd.Resolve.ResolveHostname\",\"parameters\":"
                               "{\"name\":\"example.org\",\"family\":2,\"flags\":0}}";

    ck_assert_uint_eq(heald__varlink_request(buf, "example.org", AF_INET), sizeof want);
    ck_assert_str_eq(buf, want);
    ck_assert_uint_gt(heald__varlink_request(buf, "x", AF_UNSPEC), 0);
    ck_assert_ptr_null(strstr(buf, "family"));
    /* What would have to be escaped is the C library's. */
    const char *wrong[] = {"a\"b", "a\\b", "a b", "a\nb", "caf\xc3\xa9", "\x7f"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_uint_eq(heald__varlink_request(buf, wrong[i], 0), 0);
    memset(host, 'a', sizeof host);
    host[399] = 0;
    ck_assert_uint_gt(heald__varlink_request(buf, host, AF_INET6), 400);
    char longer[600];
    memset(longer, 'a', sizeof longer);
    longer[599] = 0;
    ck_assert_uint_eq(heald__varlink_request(buf, longer, 0), 0);
}

HEALD_CASE(answers)
{
    ck_assert_int_eq(reply(LIST(V4("1")), 0), 1);
    ck_assert_str_eq(text_of(&addrs[0]), "192.0.2.1:80");
    ck_assert_int_eq(reply(LIST(V4("1") "," V6("1") "," V4("1")), 0), 2);
    ck_assert_str_eq(text_of(&addrs[1]), "[2001:db8::1]:80");
    ck_assert_int_eq(reply(LIST(""), 0), -HEALD_ENONAME);
    ck_assert_int_eq(reply(ERROR("NoNameServers"), 0), -HEALD_ENAMESERVER);
    ck_assert_int_eq(reply(ERROR("NoSuchResourceRecord"), 0), -HEALD_ENONAME);
    ck_assert_int_eq(reply(ERROR("NetworkDown"), 0), -ENETDOWN);
    ck_assert_int_eq(
        reply("{\"parameters\":{\"rcode\":3},\"error\":\"io.systemd.Resolve.DNSError\"}", 0),
        -HEALD_ENONAME);
    ck_assert_int_eq(
        reply("{\"error\":\"io.systemd.Resolve.DNSError\",\"parameters\":{\"rcode\":2}}", 0),
        -HEALD_ENAMESERVER);
    /* Later versions may have more members. */
    ck_assert_int_eq(reply("{\"x\":{\"y\":[1,-2.5e3,{}]},\"parameters\":{\"z\":\"\\u1234\\n\","
                           "\"addresses\":[" V4("9") "]}}",
                           0),
                     1);
}

HEALD_CASE(surprises)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "null",
                                        "{\"parameters\":{}}",
                                        "{\"parameters\":null}",
                                        ERROR("Whatever"),
                                        "{\"error\":\"org.varlink.service.MethodNotFound\"}",
                                        LIST(V4("256")),
                                        LIST(V4("-1")),
                                        LIST(V4("1,2")),
                                        LIST(V4("")),
                                        LIST(V4("1") ","),
                                        LIST(V4("1.5")),
                                        LIST("{}"),
                                        LIST("1"),
                                        LIST("{\"family\":2}"),
                                        LIST("{\"family\":1,\"address\":[1,2,3,4]}"),
                                        LIST(V4("1")) "x",
                                        LIST(V4("1")) "{}",
                                        "{\"parameters\":{\"addresses\":{}}}",
                                        "{\"a\":[[[[[[[[[[]]]]]]]]]]}",
                                        "{\"a\":tru}",
                                        "{\"a\" 1}",
                                        "{a:1}",
                                        "{\"a\":\"\\",
                                        "{\"a\":\"\\u12",
                                        "{\"a\":1,}"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(reply(texts[i], 0) == VARLINK_SURPRISE, "%s", texts[i]);
    ck_assert_int_eq(reply(LIST(V4("1")), AF_INET6), VARLINK_SURPRISE);
    /* Every beginning of a good one. */
    static const char good[] = LIST(V4("1") "," V6("2"));
    for (size_t n = 0; n + 1 < sizeof good; n++) {
        char *text = malloc(n + 1);
        memcpy(text, good, n);
        ck_assert_int_eq(heald__varlink_reply(text, n, 0, 0, addrs), VARLINK_SURPRISE);
        free(text);
    }
}

HEALD_CASE(more_addresses_than_there_is_room_for)
{
    char *text = malloc(65536);
    int n = sprintf(text, "{\"parameters\":{\"addresses\":[");

    for (int i = 0; i < 600; i++)
        n += sprintf(text + n, "%s{\"family\":2,\"address\":[10,0,%d,%d]}", i ? "," : "", i / 256,
                     i % 256);
    sprintf(text + n, "]}}");
    ck_assert_int_eq(reply(text, 0), VARLINK_ADDRS);
    ck_assert_str_eq(text_of(&addrs[255]), "10.0.0.255:80");
    free(text);
}

HEALD_CASE(lines_of_nsswitch)
{
    static const char *const yes[] = {"hosts: resolve",
                                      "hosts:\tmymachines resolve [!UNAVAIL=return] files dns\n",
                                      "  hosts: files myhostname resolve dns"};
    static const char *const no[] = {"",
                                     "hosts: files dns",
                                     "hosts: files mdns4_minimal [NOTFOUND=return] resolve",
                                     "# hosts: resolve",
                                     "networks: resolve",
                                     "hosts:",
                                     "hosts: resolver",
                                     "hosts: files [NOTFOUND=return] dns resolve"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        ck_assert_msg(heald__resolver_in_line(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        ck_assert_msg(!heald__resolver_in_line(no[i]), "%s", no[i]);
}

HEALD_CASE(what_the_environment_says)
{
    struct heald_addr addr;

    setenv("HEALD_RESOLVER", "libc", 1);
    ck_assert(!heald__resolver_is_resolved(&addr));
    setenv("HEALD_RESOLVER", "resolved", 1);
    ck_assert(heald__resolver_is_resolved(&addr));
    ck_assert_str_eq(text_of(&addr), "unix:/run/systemd/resolve/io.systemd.Resolve");
    setenv("HEALD_RESOLVER", "resolved:unix:/tmp/x", 1);
    ck_assert(heald__resolver_is_resolved(&addr));
    ck_assert_str_eq(text_of(&addr), "unix:/tmp/x");
    setenv("HEALD_RESOLVER", "resolved:nonsense", 1);
    ck_assert(!heald__resolver_is_resolved(&addr));
}

/* Those that can be reached come first, and otherwise the order stays. */
HEALD_CASE(sorted_addresses)
{
    static const char *const texts[] = {"192.0.2.1:1", "127.0.0.2:1", "127.0.0.1:1"};
    struct heald_addr v[100];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(heald_addr_parse(texts[i], &v[i]), 0);
    heald__sort_addrs(v, 3);
    /* Without a route the first cannot be reached; with one it is of a wider scope. */
    int second = strcmp(text_of(&v[0]), texts[1]) == 0 ? 0 : 1;
    ck_assert_str_eq(text_of(&v[second]), texts[1]);
    ck_assert_str_eq(text_of(&v[second + 1]), texts[2]);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof text, "127.0.1.%d:1", i);
        heald_addr_parse(text, &v[i]);
    }
    heald__sort_addrs(v, 100);
    for (int i = 0; i < 100; i++) {
        char text[40];
        snprintf(text, sizeof text, "127.0.1.%d:1", i);
        ck_assert_str_eq(text_of(&v[i]), text);
    }
    heald__sort_addrs(v, 0);
}

HEALD_CASE(names_in_text)
{
    struct heald_name_text t;
    static const struct {
        const char *text, *host, *service;
    } rows[] = {{"a.b:80", "a.b", "80"},
                {":http", NULL, "http"},
                {"[::1]:1", "::1", "1"},
                {"*:1", "*", "1"},
                {"unix:/x:y", "unix:/x:y", NULL}};
    static const char *const wrong[] = {"", "a", "a:", "::1", "::1:80", "[::1]", "[::1", "[::1]:"};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(heald__name_split(rows[i].text, &t), 0);
        ck_assert_int_eq(t.has_host, rows[i].host != NULL);
        ck_assert_int_eq(t.has_service, rows[i].service != NULL);
        ck_assert_str_eq(t.host, rows[i].host ? rows[i].host : "");
        ck_assert_str_eq(t.service, rows[i].service ? rows[i].service : "");
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(heald__name_split(wrong[i], &t) == -EINVAL, "%s", wrong[i]);
    char text[600];
    memset(text, 'a', sizeof text);
    memcpy(text + 400, ":80", 4);
    ck_assert_int_eq(heald__name_split(text, &t), -ENAMETOOLONG);
}

int main(void)
{
    Suite *suite = suite_create("resolver");
    TCase *group = harness_group(suite, "resolver");

    harness_add(group, questions);
    harness_add(group, answers);
    harness_add(group, surprises);
    harness_add(group, more_addresses_than_there_is_room_for);
    harness_add(group, lines_of_nsswitch);
    harness_add(group, what_the_environment_says);
    harness_add(group, sorted_addresses);
    harness_add(group, names_in_text);
    return harness_run(suite);
}
