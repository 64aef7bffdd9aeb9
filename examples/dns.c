/* dns SERVERS NAME...: asks DNS servers, such as 127.0.0.1:5353, for the addresses of all names at
 * once: c-ares in a loop of heald. */
#include <heald/adapter/cares.h>
#include <heald/heald.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

static struct heald_cares cares;
static int pending;

static void on_host(void *user, int status, int timeouts, struct hostent *host)
{
    char text[INET_ADDRSTRLEN];

    (void)timeouts;
    if (status == ARES_SUCCESS)
        printf("%s %s\n", (char *)user,
               inet_ntop(AF_INET, host->h_addr_list[0], text, sizeof text));
    else
        printf("%s: %s\n", (char *)user, ares_strerror(status));
    if (--pending == 0)
        heald_cares_close(&cares, NULL);
}

int main(int argc, char **argv)
{
    struct ares_options options = {.timeout = 200, .tries = 2};
    struct heald_loop *loop;

    if (argc < 3 || ares_library_init(ARES_LIB_INIT_ALL) || heald_loop_open(&loop, NULL) ||
        heald_cares_open(&cares, loop, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES)) {
        fprintf(stderr, "usage: dns SERVERS NAME...\n");
        return 1;
    }
    if (ares_set_servers_ports_csv(cares.channel, argv[1])) {
        fprintf(stderr, "dns: %s: not a list of servers\n", argv[1]);
        return 1;
    }
    pending = argc - 2;
    for (int i = 2; i < argc; i++)
        ares_gethostbyname(cares.channel, argv[i], AF_INET, on_host, argv[i]);
    heald_loop_run(loop);
    ares_library_cleanup();
    return heald_loop_close(loop) < 0;
}
