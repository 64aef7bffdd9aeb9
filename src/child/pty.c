/* child/pty.c: a terminal for a child. Plain calls; thread-safe. */
#include "child/child.h"

#include "platform/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROWS = 24, COLUMNS = 80 };

int heald__child_open_pty(unsigned rows, unsigned columns, int *ret_master, int *ret_terminal)
{
    struct winsize size = {.ws_row = (unsigned short)(rows ? rows : ROWS),
                           .ws_col = (unsigned short)(columns ? columns : COLUMNS)};
    int master = heald__plat_pty_open(), err = 0, terminal = -1;

    if (master < 0)
        return master;
    if (ioctl(master, TIOCSWINSZ, &size) < 0)
        err = -errno;
    if (!err && (terminal = heald__plat_pty_peer(master)) < 0)
        err = terminal;
    if (err) {
        close(master);
        return err;
    }
    *ret_master = master;
    *ret_terminal = terminal;
    return 0;
}
