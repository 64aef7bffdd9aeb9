/* curl SECONDS URL...: fetches all URLs at once, and cancels what takes longer, by libcurl. */
#include <heald/adapter/curl.h>
#include <heald/heald.h>

#include <stdio.h>
#include <stdlib.h>

struct transfer {
    struct heald_op deadline;
    CURL *easy;
    const char *url;
    size_t len;
};

static struct heald_curl curl;

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    ((struct transfer *)user)->len += size * count;
    return size * count;
}

static void end(struct transfer *t)
{
    curl_multi_remove_handle(curl.multi, t->easy);
    curl_easy_cleanup(t->easy);
    heald_cancel(&t->deadline);
}

static void on_done(struct heald_curl *adapter, CURL *easy, CURLcode result)
{
    struct transfer *t = NULL;

    (void)adapter;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    printf("%s: %zu bytes, %s\n", t->url, t->len, curl_easy_strerror(result));
    end(t);
}

static void on_deadline(struct heald_op *op)
{
    struct transfer *t = heald_container_of(op, struct transfer, deadline);

    if (op->result < 0) /* it was done before */
        return;
    printf("%s: cancelled after %zu bytes\n", t->url, t->len);
    end(t);
}

static void start(struct transfer *t, const char *url, int64_t deadline_ns)
{
    t->url = url;
    t->easy = curl_easy_init();
    curl_easy_setopt(t->easy, CURLOPT_URL, t->url);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_multi_add_handle(curl.multi, t->easy);
    heald_prep_timer(&t->deadline, deadline_ns);
    heald_submit(curl.loop, &t->deadline, on_deadline);
}

int main(int argc, char **argv)
{
    static struct transfer transfers[64];
    struct heald_loop *loop;

    if (argc < 3 || argc > 65 || curl_global_init(CURL_GLOBAL_DEFAULT) ||
        heald_loop_open(&loop, NULL) || heald_curl_open(&curl, loop, on_done))
        return 1;
    int64_t deadline_ns = heald_now(loop) + (int64_t)(atof(argv[1]) * (double)HEALD_SEC);
    for (int i = 2; i < argc; i++)
        start(&transfers[i - 2], argv[i], deadline_ns);
    heald_loop_run(loop);
    heald_curl_close(&curl, NULL);
    heald_loop_run(loop);
    return heald_loop_close(loop) < 0;
}
