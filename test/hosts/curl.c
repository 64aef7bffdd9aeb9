/* test/hosts/curl.c: how transfers of libcurl end in a loop: closed in the middle, removed and
 * added again at once, in a callback. */
#include "hosts/traps.h"

#include <heald/adapter/curl.h>

enum { TRANSFERS = 10 };

struct scene {
    struct heald_curl curl;
    struct heald_loop *loop;
    CURL *easy[TRANSFERS];
    char url[64];
    int fd, done, closed, again;
    CURLcode result;
};

static void add(struct scene *s, int i, long timeout_ms)
{
    s->easy[i] = curl_easy_init();
    curl_easy_setopt(s->easy[i], CURLOPT_URL, s->url);
    curl_easy_setopt(s->easy[i], CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(s->easy[i], CURLOPT_NOSIGNAL, 1L);
    ck_assert_int_eq(curl_multi_add_handle(s->curl.multi, s->easy[i]), CURLM_OK);
}

static void end(struct scene *s, int i)
{
    ck_assert_int_eq(curl_multi_remove_handle(s->curl.multi, s->easy[i]), CURLM_OK);
    curl_easy_cleanup(s->easy[i]);
}

static void on_closed(struct heald_curl *curl)
{
    ((struct scene *)curl->data)->closed++;
}

static void on_done(struct heald_curl *curl, CURL *easy, CURLcode result)
{
    struct scene *s = curl->data;
    int i = 0;

    ck_assert_int_eq(s->closed, 0);
    while (s->easy[i] != easy)
        i++;
    end(s, i);
    s->done++;
    s->result = result;
    if (s->again-- > 0)
        add(s, i, 20);
    else if (s->again < -100)
        heald_curl_close(curl, on_closed);
}

static void scene_open(struct scene *s, int backend, long timeout_ms, int again)
{
    int port;

    memset(s, 0, sizeof *s);
    s->again = again;
    ck_assert_int_eq(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
    s->fd = silent_server(SOCK_STREAM, &port);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", port);
    s->loop = loop_on(backend);
    s->curl.data = s;
    ck_assert_int_eq(heald_curl_open(&s->curl, s->loop, on_done), 0);
    for (int i = 0; i < TRANSFERS; i++)
        add(s, i, timeout_ms);
    for (int i = 0; i < 5; i++)
        ck_assert_int_ge(heald_loop_turn(s->loop, heald_now(s->loop) + HEALD_MS), 0);
}

static void scene_end(struct scene *s)
{
    heald_curl_close(&s->curl, on_closed);
    ck_assert_int_eq(heald_loop_run(s->loop), 0);
    ck_assert_int_eq(s->closed, 1);
    close(s->fd);
    ck_assert_int_eq(heald_loop_close(s->loop), 0);
    curl_global_cleanup();
}

HEALD_CASE(closed_in_the_middle)
{
    struct scene s;

    scene_open(&s, _i, 60000, 0);
    heald_curl_close(&s.curl, on_closed);
    ck_assert_int_eq(s.closed, 0);
    turn_until(s.loop, &s.closed, 1);
    ck_assert_int_eq(s.done, 0);
    for (int i = 0; i < TRANSFERS; i++)
        curl_easy_cleanup(s.easy[i]);
    scene_end(&s); /* closes it once more: no effect */
}

/* The sockets of those removed are closed, and the next get their numbers. */
HEALD_CASE(removed_and_added_at_once)
{
    struct scene s;

    scene_open(&s, _i, 60000, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < TRANSFERS; i++)
            end(&s, i);
        for (int i = 0; i < TRANSFERS; i++)
            add(&s, i, round == 2 ? 50 : 60000);
        ck_assert_int_ge(heald_loop_turn(s.loop, heald_now(s.loop) + HEALD_MS), 0);
    }
    turn_until(s.loop, &s.done, TRANSFERS);
    ck_assert_int_eq(s.result, CURLE_OPERATION_TIMEDOUT);
    scene_end(&s);
}

HEALD_CASE(added_in_a_callback)
{
    struct scene s;

    scene_open(&s, _i, 20, 20);
    ck_assert_int_eq(heald_loop_run(s.loop), 0);
    ck_assert_int_eq(s.done, TRANSFERS + 20);
    scene_end(&s);
}

HEALD_CASE(closed_in_a_callback)
{
    struct scene s;

    scene_open(&s, _i, 60000, -100);
    end(&s, 3);
    add(&s, 3, 20);
    turn_until(s.loop, &s.closed, 1);
    ck_assert_int_eq(s.done, 1);
    for (int i = 0; i < TRANSFERS; i++)
        if (i != 3)
            curl_easy_cleanup(s.easy[i]);
    scene_end(&s);
}

int main(void)
{
    Suite *suite = suite_create("hosts");
    TCase *group = harness_group(suite, "curl");

    harness_add_range(group, closed_in_the_middle, 0, BACKENDS);
    harness_add_range(group, removed_and_added_at_once, 0, BACKENDS);
    harness_add_range(group, added_in_a_callback, 0, BACKENDS);
    harness_add_range(group, closed_in_a_callback, 0, BACKENDS);
    return harness_run(suite);
}
