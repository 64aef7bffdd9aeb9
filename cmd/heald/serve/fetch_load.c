/* fetch_load.c: the files that fetch.h compares with, read whole before anything is measured. */
#include "serve/fetch.h"
#include "serve/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20 };

static bool read_all(int fd, char *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = read(fd, data + at, len - at);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static bool load_file(int dir, const char *name, struct fetch_file *ret_file)
{
    struct fetch_file *file = ret_file;
    struct text request;
    struct stat st;
    if (name[0] == '.' || strlen(name) >= FETCH_NAME)
        return false;
    int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_fit = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES;
    file->len = is_fit ? (size_t)st.st_size : 0;
    file->data = is_fit ? malloc(file->len + 1) : NULL;
    is_fit = file->data && read_all(fd, file->data, file->len);
    close(fd);
    if (!is_fit) {
        free(file->data);
        return false;
    }
    memcpy(file->name, name, strlen(name) + 1);
    text_init(&request, file->request, sizeof file->request);
    text_add(&request, "GET /");
    text_add_url(&request, name);
    text_add(&request, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    file->request_len = request.len;
    return true;
}

int fetch_load(const char *directory, struct fetch_file *files, unsigned max)
{
    unsigned count = 0;
    DIR *dir = opendir(directory);
    if (!dir)
        return -errno;
    for (struct dirent *entry; count < max && (entry = readdir(dir));)
        if (load_file(dirfd(dir), entry->d_name, &files[count]))
            count++;
    closedir(dir);
    return (int)count;
}

void fetch_free(struct fetch_file *files, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        free(files[i].data);
}
