/* directory_list.c: see directory_list.h. */
#include "serve/directory_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX = 2000, PAGE_END = 256 };

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_left_out(const char *name, bool has_dot_files)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    return name[0] == '.' && !has_dot_files;
}

/*
 * Copies names to the array; returns how many. A name too many, or without memory, sets
 * *ret_is_cut.
 */
static size_t read_names(DIR *dir, bool has_dot_files, char **names, bool *ret_is_cut)
{
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_left_out(entry->d_name, has_dot_files))
            continue;
        names[count] = count < NAMES_MAX ? strdup(entry->d_name) : NULL;
        if (!names[count]) {
            *ret_is_cut = true;
            break;
        }
        count++;
    }
    return count;
}

static void add_name(struct text *page, int fd, const char *name)
{
    struct stat st;
    bool is_directory = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    struct text before = *page;
    text_add(page, "<li><a href=\"./");
    text_add_url(page, name);
    text_add(page, is_directory ? "/\">" : "\">");
    text_add_html(page, name);
    text_add(page, is_directory ? "/</a>\n" : "</a>\n");
    if (page->is_cut || page->size - page->len < PAGE_END) {
        *page = before;
        page->is_cut = true;
    }
}

static void write_page(struct text *page, int fd, const char *path, char **names, size_t count,
                       bool is_cut)
{
    text_add(page, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>/");
    text_add_html(page, path);
    text_add(page, "</title>\n<h1>/");
    text_add_html(page, path);
    text_add(page, "</h1>\n<ul>\n");
    if (*path)
        text_add(page, "<li><a href=\"../\">../</a>\n");
    for (size_t i = 0; i < count && !page->is_cut; i++)
        add_name(page, fd, names[i]);
    is_cut = is_cut || page->is_cut;
    page->is_cut = false;
    text_add(page, is_cut ? "</ul>\n<p>and more, which this page does not hold\n" : "</ul>\n");
}

int directory_list(int fd, const char *path, bool has_dot_files, struct text *page)
{
    /* closedir() closes its descriptor, and the caller keeps this one. */
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    char **names = calloc(NAMES_MAX + 1, sizeof *names);
    bool is_open = dir && names;
    int error = is_open ? 0 : -errno;
    if (is_open) {
        bool is_cut = false;
        size_t count = read_names(dir, has_dot_files, names, &is_cut);
        qsort(names, count, sizeof *names, compare);
        write_page(page, fd, path, names, count, is_cut);
        for (size_t i = 0; i < count; i++)
            free(names[i]);
    }
    free(names);
    if (dir)
        closedir(dir);
    else if (own >= 0)
        close(own);
    return error;
}
