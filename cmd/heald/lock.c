/*
 * lock.c: `heald lock` and `heald sem`: run a command while holding a lock, or a permit, with a
 * name.
 *
 * All in one loop: the wait for the lock, its deadline, signals, and the child. The lock belongs to
 * this process: when it ends, in whatever way, the lock is released. So every signal that would end
 * it is awaited and passed on, and when it is killed the kernel kills the command as well
 * (heald_spawn.death_signal).
 */
#include "commands.h"
#include "json.h"
#include "refusal.h"

#include <heald/heald.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { PARTICIPANTS = 1024, SIGNALS_MAX = 128 };

struct lock_options {
    bool is_trying, is_quiet, is_json, is_outliving;
    int64_t timeout_ns;
    unsigned refusal; /* the exit status when others held it */
};

/* -w, -n and -E are those of flock(1). */
static const struct option options[] = {
    {'w', "--timeout", OPTION_SECONDS, offsetof(struct lock_options, timeout_ns), 0, 1000000000,
     "SECONDS", "wait at most this long (default: indefinitely)"},
    {'n', "--nonblock", OPTION_FLAG, offsetof(struct lock_options, is_trying), 0, 0, NULL,
     "do not wait"},
    {'E', "--conflict-exit-code", OPTION_COUNT, offsetof(struct lock_options, refusal), 0, 255, "N",
     "exit status when another process holds it (default: 1)"},
    {'k', "--keep-running", OPTION_FLAG, offsetof(struct lock_options, is_outliving), 0, 0, NULL,
     "do not kill the command when heald is killed"},
    {'q', "--quiet", OPTION_FLAG, offsetof(struct lock_options, is_quiet), 0, 0, NULL,
     "print no message when another process holds it"},
    {'j', "--json", OPTION_FLAG, offsetof(struct lock_options, is_json), 0, 0, NULL,
     "print the outcome as JSON on standard error"},
    {0},
};

static int run_lock(const struct command *command, const char *program, int argc, char **argv);
static int run_sem(const struct command *command, const char *program, int argc, char **argv);

#define LOCK_DETAILS                                                                          \
    "Signals that would end heald are sent to COMMAND. If heald is killed, the kernel kills " \
    "COMMAND, but not the processes that COMMAND started.\n"                                  \
    "Exit status: that of COMMAND; 128+N signal N ended it; 1, or that of -E, another "       \
    "process holds it; 2 an error; 126 COMMAND cannot be run; 127 COMMAND is not found."

const struct command command_lock = {
    .name = "lock",
    .run = run_lock,
    .summary = "run a command while holding a named lock",
    .arguments = "NAME [--] COMMAND [ARG...]",
    .arguments_max = UINT_MAX,
    .words_from = 2,
    .options = options,
    .details = "NAME is /name or file:/path. The lock is created if it does not exist. If its last "
               "holder was killed, a message says so, and COMMAND runs.\n" LOCK_DETAILS,
};

const struct command command_sem = {
    .name = "sem",
    .run = run_sem,
    .summary = "run a command while holding a permit of a semaphore",
    .arguments = "NAME N [--] COMMAND [ARG...]",
    .arguments_max = UINT_MAX,
    .words_from = 3,
    .options = options,
    .details = "NAME is /name or file:/path. The semaphore is created with N permits if it does "
               "not exist. The permits of a killed process become free.\n" LOCK_DETAILS,
};

struct lock_signal {
    struct heald_op op;
    struct heald_siginfo info;
    struct lock_run *run;
};

struct lock_run {
    const struct command *command;
    const struct lock_options *options;
    const char *name, **words;
    struct heald_loop *loop;
    struct heald_op wait, end;
    struct lock_signal signals[SIGNALS_MAX]; /* by number; those not waited for are idle */
    struct heald_child child;
    struct heald_child_status status;
    int result;                       /* the exit status */
    bool is_over, was_held, was_left; /* was_left: the last holder was killed */
    int64_t began_ns, held_ns;
};

static int complain(const struct lock_run *r, const char *what, int err)
{
    return options_refuse(r->command, "%s: %s", options_shown(what), heald_strerror(err));
}

/* It cannot be opened. */
static int refuse(const struct lock_run *r, int err, const char *why)
{
    char text[REFUSAL_SIZE];

    return options_refuse(r->command, "%s: %s", options_shown(r->name),
                          refusal_text(r->name, err, why, text));
}

/* With nothing left to wait for the loop ends. */
static void finish(struct lock_run *r, int result)
{
    r->result = result;
    r->is_over = true;
    for (int i = 0; i < SIGNALS_MAX; i++)
        heald_cancel(&r->signals[i].op);
    heald_cancel(&r->wait);
}

/* A terminal sends these to the child as well; a process may have sent them to this one alone. */
static bool has_it_already(const struct heald_siginfo *info)
{
    return (info->signo == SIGINT || info->signo == SIGQUIT) && info->code > 0;
}

static void on_signal(struct heald_op *op)
{
    struct lock_signal *s = heald_container_of(op, struct lock_signal, op);
    struct lock_run *r = s->run;

    if (op->result < 0)
        return;
    if (!r->child.pid) {
        finish(r, EXIT_SIGNAL + s->info.signo);
        return;
    }
    if (!has_it_already(&s->info))
        kill(r->child.pid, s->info.signo);
    heald_prep_signal(op, s->info.signo, &s->info);
    heald_submit(op->loop, op, on_signal); /* cannot fail: the loop knows the signal */
}

static void on_end(struct heald_op *op)
{
    struct lock_run *r = heald_container_of(op, struct lock_run, end);
    int status = r->status.status;

    if (op->result < 0)
        finish(r, complain(r, r->words[0], (int)op->result));
    else
        finish(r, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status));
}

static void start_command(struct lock_run *r)
{
    struct heald_spawn spawn = {.file = r->words[0],
                                .argv = (char *const *)(uintptr_t)r->words,
                                .keep_ignored = 1,
                                .death_signal = r->options->is_outliving ? 0 : SIGKILL};
    int err = heald_spawn(&spawn, &r->child);

    /* Not every system has it. */
    if (err == -ENOSYS) {
        spawn.death_signal = 0;
        err = heald_spawn(&spawn, &r->child);
    }
    if (!err) {
        err = heald_prep_child(&r->end, r->child.pid, &r->status);
        if (!err)
            err = heald_submit(r->loop, &r->end, on_end);
    }
    if (!err)
        return;
    complain(r, r->words[0], err);
    finish(r, err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_RUN);
}

static void on_held(struct heald_op *op)
{
    struct lock_run *r = heald_container_of(op, struct lock_run, wait);

    /* It may have been granted in the turn in which a signal came. */
    if (r->is_over)
        return;
    r->was_left = op->result == -EOWNERDEAD;
    if (r->was_left && !r->options->is_json)
        options_refuse(r->command, "%s: the last holder was killed", r->name);
    if (op->result >= 0 || r->was_left) {
        r->was_held = true;
        r->held_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC);
        start_command(r);
        return;
    }
    if (op->result != -ETIMEDOUT) {
        finish(r, complain(r, r->name, (int)op->result));
        return;
    }
    if (!r->options->is_quiet && !r->options->is_json)
        options_refuse(r->command, "%s: %s", r->name,
                       r->command == &command_sem ? "no permit is free"
                                                  : "another process holds it");
    finish(r, (int)r->options->refusal);
}

/* As under nohup(1), and in the background of a shell without jobs. */
static bool is_ignored(int signo)
{
    struct sigaction was;
    return sigaction(signo, NULL, &was) == 0 && was.sa_handler == SIG_IGN;
}

/* Would it end this process, by another's will? What the program's own fault raises is left alone,
 * as is what only stops it: the lock is held meanwhile. */
static bool would_end_it(int signo)
{
    static const int others[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,
                                 SIGSYS,  SIGTRAP, SIGXCPU, SIGXFSZ, SIGCHLD, SIGCONT,
                                 SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (signo == others[i])
            return false;
    return !is_ignored(signo);
}

/* Those of the C library and of heald are refused, and no other program sends them. */
static int await_signals(struct lock_run *r)
{
    for (int signo = 1; signo < SIGNALS_MAX; signo++) {
        struct lock_signal *s = &r->signals[signo];
        int err;
        s->run = r;
        if (!would_end_it(signo) || heald_prep_signal(&s->op, signo, &s->info))
            continue;
        err = heald_submit(r->loop, &s->op, on_signal);
        if (err && err != -EBUSY && err != -EINVAL)
            return err;
    }
    return 0;
}

static int submit_all(struct lock_run *r)
{
    int64_t now = r->began_ns = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    int err = await_signals(r);

    if (r->options->is_trying)
        r->wait.deadline_ns = now;
    else if (r->options->timeout_ns)
        r->wait.deadline_ns = now + r->options->timeout_ns;
    return err ? err : heald_submit(r->loop, &r->wait, on_held);
}

static void print_json(const struct lock_run *r)
{
    int64_t now = heald_clock_now(HEALD_CLOCK_MONOTONIC);
    int64_t until = r->was_held ? r->held_ns : now;

    struct json j;

    json_begin(&j, stderr);
    json_boolean(&j, "held", r->was_held);
    json_seconds(&j, "waited_s", (double)(until - r->began_ns) / (double)HEALD_SEC);
    json_seconds(&j, "held_s", (double)(now - until) / (double)HEALD_SEC);
    json_boolean(&j, "last_holder_killed", r->was_left);
    json_integer(&j, "status", r->result);
    json_end(&j);
}

/* With `wait` prepared: waits, runs the command, and gives back nothing. The exit status. */
static int wait_and_run(struct lock_run *r)
{
    int err = submit_all(r);

    if (!err)
        err = heald_loop_run(r->loop);
    if (err < 0)
        return complain(r, r->name, err);
    if (r->options->is_json)
        print_json(r);
    return r->result;
}

/* Fills in `words`, which ends with NULL, behind the arguments that the command itself takes. */
static int parse(struct lock_run *r, struct lock_options *o, int argc, char **argv, int own)
{
    int count = 0, status = options_parse(r->command, argc, argv, o, r->words);

    if (status != OPTIONS_GO_ON)
        return status;
    while (r->words[count])
        count++;
    if (count <= own)
        return options_refuse(r->command, "%s is required: heald %s %s",
                              count == 0    ? "a name"
                              : count < own ? "the number of permits"
                                            : "a command",
                              r->command->name, r->command->arguments);
    r->name = r->words[0];
    return OPTIONS_GO_ON;
}

static int open_mutex(struct heald_participant *me, void **ret_lock)
{
    struct heald_object_options mutex = {.type = HEALD_OBJECT_MUTEX};

    return heald_object_open(me, "lock", &mutex, ret_lock, NULL);
}

/* Before the region has a name: whoever sees it finds the lock in it. */
static int set_up(struct heald_region *region, void *ctx)
{
    struct heald_participant *me;
    void *lock;
    int err = heald_attach(region, &me);

    (void)ctx;
    if (err)
        return err;
    err = open_mutex(me, &lock);
    heald_detach(me);
    return err;
}

static int lock_and_run(struct lock_run *r)
{
    struct heald_region_options o = {
        .size = 1, .heap = 1, .participants = PARTICIPANTS, .setup = set_up};
    struct heald_region *region;
    struct heald_participant *me;
    void *lock;
    const char *why = NULL;

    o.ret_why = &why;
    int err = heald_region_open(&region, r->name, HEALD_REGION_CREATE, &o);
    if (err)
        return refuse(r, err, why);
    err = heald_attach(region, &me);
    if (!err)
        err = open_mutex(me, &lock);
    if (err == -ENOSYS)
        return options_refuse(
            r->command, "%s: the region has no heap, so no lock can be created in it", r->name);
    if (!err)
        err = heald_prep_mutex_lock(&r->wait, lock, me);
    if (err)
        return complain(r, r->name, err);
    r->words++;
    int status = wait_and_run(r);
    heald_mutex_consistent(lock, me);
    heald_mutex_unlock(lock, me);
    heald_detach(me);
    heald_region_close(region);
    return status;
}

static int take_permit_and_run(struct lock_run *r)
{
    struct heald_named_sem sem;
    unsigned permits;

    if (!options_count(r->words[1], 1, HEALD_SEM_PERMITS_MAX, &permits))
        return options_refuse(r->command, "N %s: not a number of permits from 1 to %d",
                              options_shown(r->words[1]), HEALD_SEM_PERMITS_MAX);
    int err = heald_sem_open(&sem, r->name, HEALD_REGION_CREATE, permits);
    if (err == -EPROTOTYPE)
        return options_refuse(r->command, "%s: exists, and is not a semaphore with %u permits",
                              r->name, permits);
    if (err)
        return refuse(r, err, NULL);
    if ((err = heald_prep_sem_wait(&r->wait, sem.sem, sem.me)))
        return complain(r, r->name, err);
    r->words += 2;
    int status = wait_and_run(r);
    heald_sem_close(&sem);
    return status;
}

static int run(const struct command *command, int argc, char **argv, int own,
               int (*start)(struct lock_run *))
{
    struct lock_options o = {.refusal = EXIT_NO};
    struct lock_run r = {.command = command, .options = &o};
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    int status = EXIT_ERROR;

    r.words = words;
    if (words)
        status = parse(&r, &o, argc, argv, own);
    if (status == OPTIONS_GO_ON) {
        struct heald_why why;
        struct heald_loop_options loop_options = {.ret_why = &why};
        int err = heald_loop_open(&r.loop, &loop_options);
        if (err) {
            status = options_refuse(command, "%s", why.text);
        } else {
            status = start(&r);
            heald_loop_close(r.loop);
        }
    }
    free(words);
    return status;
}

static int run_lock(const struct command *command, const char *program, int argc, char **argv)
{
    (void)program;
    return run(command, argc, argv, 1, lock_and_run);
}

static int run_sem(const struct command *command, const char *program, int argc, char **argv)
{
    (void)program;
    return run(command, argc, argv, 2, take_permit_and_run);
}
