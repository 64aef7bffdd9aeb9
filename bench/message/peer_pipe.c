/* Pipes. */
#include "fds.h"

static void open_pipes(size_t size)
{
    (void)size;
    for (int i = 0; i < MESSAGE_CHANNELS; i++)
        message_must(pipe(fds[i]) == 0, "pipe");
}

int main(int argc, char **argv)
{
    return fds_main(open_pipes, argc, argv);
}
