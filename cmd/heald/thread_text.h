/*
 * thread_text.h: a process or thread, for people: its number, name and command line, from /proc.
 *
 * Numbers of another PID name space say nothing here, so they get no name: another process may have
 * the same. The same where /proc is of another name space than this process.
 */
#ifndef HEALD_CMD_THREAD_TEXT_H
#define HEALD_CMD_THREAD_TEXT_H

#include <heald/inspect.h>

#include <stdbool.h>

enum { THREAD_TEXT_SIZE = 128, THREAD_COMMAND_SIZE = 4096 };

/* Does /proc tell of it? */
bool thread_is_known(const struct heald_thread_info *thread);

/* Is it stopped, by SIGSTOP, a terminal or a debugger? False where that is not known. */
bool thread_is_stopped(const struct heald_thread_info *thread);

/* "1234 (worker)", or with its thread "1234/1240 (worker)", or "1234 (worker, stopped)"; in `text`,
 * which it returns. */
char *thread_text(const struct heald_thread_info *thread, char text[THREAD_TEXT_SIZE]);

/* The same without a name: "1234 (why)". */
char *thread_text_alone(const struct heald_thread_info *thread, const char *why,
                        char text[THREAD_TEXT_SIZE]);

/* Its command line, with spaces between the arguments; "" where it is not known. */
char *thread_command(const struct heald_thread_info *thread, char text[THREAD_COMMAND_SIZE]);

/* Makes control characters, and what is not UTF-8, question marks: anybody may have written it, and
 * some command a terminal. Returns it. */
char *mask_controls(char *text);

#endif
