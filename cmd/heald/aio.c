/*
 * aio.c: `heald aio`: runs a program with libheald-aio preloaded, in this process.
 *
 * All that can be wrong is said beforehand: the dynamic linker ignores what it cannot preload, or
 * only complains, and the program would run on the AIO of the C library.
 */
#include "aio_needed.h"
#include "aio_program.h"
#include "commands.h"
#include "json.h"

#include <heald/base.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHY_SIZE = PATH_MAX + 256 };

struct aio_options {
    bool has_threads, is_printing, is_dry, is_json;
    const char *library;
};

static const struct option options[] = {
    {'t', "--threads", OPTION_FLAG, offsetof(struct aio_options, has_threads), 0, 0, NULL,
     "use threads, not io_uring"},
    {0, "--library", OPTION_TEXT, offsetof(struct aio_options, library), 0, 0, "FILE",
     "preload this library"},
    {0, "--print", OPTION_FLAG, offsetof(struct aio_options, is_printing), 0, 0, NULL,
     "print the path of the library and run nothing"},
    {0, "--dry-run", OPTION_FLAG, offsetof(struct aio_options, is_dry), 0, 0, NULL,
     "check the program and the library and run nothing"},
    {'j', "--json", OPTION_FLAG, offsetof(struct aio_options, is_json), 0, 0, NULL,
     "print the result of --print or --dry-run as JSON"},
    {0},
};

static int run(const struct command *command, const char *program, int argc, char **argv);

const struct command command_aio = {
    .name = "aio",
    .run = run,
    .summary = "run a program with heald's POSIX AIO",
    .arguments = "-- PROGRAM [ARG...]",
    .arguments_max = UINT_MAX,
    .options = options,
    .details =
        "The library is FILE, or the one that HEALD_AIO_LIBRARY names, or the one that was "
        "built or installed with this command. PROGRAM replaces this process. The programs that "
        "it starts inherit the library.\n"
        "Exit status: that of PROGRAM; 2 an error; 126 PROGRAM cannot be run, or not with the "
        "library; 127 PROGRAM is not found.",
};

/* In the build directory the command is cmd/heald/heald; elsewhere the place would be anybody's. */
static bool find_in_build(char *ret_path, size_t size)
{
    static const char mine[] = "/cmd/heald/heald", its[] = HEALD_AIO_BUILT;
    ssize_t len = readlink("/proc/self/exe", ret_path, size - 1);

    if (len < (ssize_t)sizeof mine - 1)
        return false;
    ret_path[len] = '\0';
    char *end = ret_path + len - (sizeof mine - 1);
    if (strcmp(end, mine) != 0 || (size_t)(end - ret_path) + sizeof its > size)
        return false;
    memcpy(end, its, sizeof its);
    return access(ret_path, F_OK) == 0;
}

/* Which library, before it was looked at: a path, in `built` or elsewhere; NULL: there is none. */
static const char *choose_library(const struct aio_options *o, char *built, size_t size)
{
    const char *named = getenv("HEALD_AIO_LIBRARY");

    if (o->library)
        return o->library;
    if (named && *named)
        return named;
    if (find_in_build(built, size))
        return built;
    return access(HEALD_AIO_INSTALLED, F_OK) == 0 ? HEALD_AIO_INSTALLED : NULL;
}

/* What named the library, for a message. */
static const char *chosen_by(const struct aio_options *o)
{
    const char *named = getenv("HEALD_AIO_LIBRARY");

    if (o->library)
        return "--library ";
    return named && *named ? "HEALD_AIO_LIBRARY=" : "";
}

/* The library as an absolute path that LD_PRELOAD can hold. False: there is none; and why. */
static bool find_library(const struct aio_options *o, char ret_path[PATH_MAX],
                         char ret_why[WHY_SIZE])
{
    char built[PATH_MAX];
    const char *chosen = choose_library(o, built, sizeof built), *why = NULL;

    if (!chosen) {
        snprintf(ret_why, WHY_SIZE,
                 "the library is neither beside this command nor installed as %s; name it with "
                 "--library",
                 HEALD_AIO_INSTALLED);
        return false;
    }
    if (!realpath(chosen, ret_path))
        why = heald_strerror(-errno);
    else if (!(why = aio_library_check(ret_path)) && strpbrk(ret_path, " :$"))
        why = "LD_PRELOAD cannot hold a path with a space, a colon or a dollar sign";
    if (why)
        snprintf(ret_why, WHY_SIZE, "%s%s: %s", chosen_by(o), chosen, why);
    return !why;
}

/*
 * First in LD_PRELOAD: whoever else defines aio_read() comes after. But the library of
 * AddressSanitizer, which defines none of ours, ends the program where it is not first itself; so
 * it stays there, or comes there if the program is linked with it. False: no memory.
 */
static bool set_preload(const char *library, const char *asan)
{
    const char *set = getenv("LD_PRELOAD"), *old = set ? set : "";
    size_t first = strcspn(old, " :"), kept = aio_is_asan(old, first) ? first : 0;
    size_t size = strlen(asan) + 1 + strlen(library) + 1 + strlen(old) + 2;
    char *list = malloc(size);

    if (!list)
        return false;
    if (kept)
        snprintf(list, size, "%.*s:%s%s", (int)kept, old, library, old + kept);
    else
        snprintf(list, size, "%s%s%s%s%s", asan, *asan ? ":" : "", library, *old ? ":" : "", old);
    bool is_set = setenv("LD_PRELOAD", list, 1) == 0;
    free(list);
    return is_set;
}

/* Of --print and --dry-run. library, program: NULL: none was asked for or found; why: NULL: all is
 * well. */
static int print_result(const struct aio_options *o, const char *library, const char *program,
                        const char *why)
{
    struct json j;

    if (!o->is_json) {
        if (program)
            printf("%s: can run with %s\n", program, library);
        else if (!why)
            printf("%s\n", library);
        return 0;
    }
    json_begin(&j, stdout);
    json_text(&j, "library", library);
    json_text(&j, "program", program);
    json_boolean(&j, "ok", !why);
    json_text(&j, "why", why);
    json_end(&j);
    return 0;
}

static int start(const struct command *command, const struct aio_options *o, const char *library,
                 const char **words)
{
    struct aio_program found;
    int status = aio_program_find(&found, words[0], library);

    if (status) {
        options_refuse(command, "%s", found.why);
        if (o->is_dry)
            print_result(o, library, NULL, found.why);
        return status;
    }
    if (o->is_dry)
        return print_result(o, library, found.path, NULL);
    if (!set_preload(library, found.asan) || (o->has_threads && setenv("HEALD_NO_URING", "1", 1)))
        return options_refuse(command, "cannot allocate memory");
    execvp(found.path, (char *const *)(uintptr_t)words);
    options_refuse(command, "%s: %s", found.path, heald_strerror(-errno));
    return EXIT_NOT_RUN;
}

/* With the options parsed: the exit status. */
static int run_words(const struct command *command, const struct aio_options *o, const char **words)
{
    char library[PATH_MAX], why[WHY_SIZE];

    if (o->is_json && !o->is_printing && !o->is_dry)
        return options_refuse(command, "--json: use it with --print or --dry-run");
    if (!o->is_printing && !words[0])
        return options_refuse(command, "a program is required: heald aio -- PROGRAM [ARG...]");
    if (!find_library(o, library, why)) {
        if (o->is_printing || o->is_dry)
            print_result(o, NULL, NULL, why);
        return options_refuse(command, "%s", why);
    }
    return o->is_printing ? print_result(o, library, NULL, NULL)
                          : start(command, o, library, words);
}

static int run(const struct command *command, const char *program, int argc, char **argv)
{
    struct aio_options o = {0};
    const char **words = calloc((size_t)argc + 1, sizeof *words);

    (void)program;
    if (!words)
        return options_refuse(command, "cannot allocate memory");
    int status = options_parse(command, argc, argv, &o, words);
    if (status == OPTIONS_GO_ON)
        status = run_words(command, &o, words);
    free(words);
    return status;
}
