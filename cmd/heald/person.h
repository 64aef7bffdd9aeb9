/*
 * person.h: a process or thread, for people: its number, name and command line, from /proc.
 *
 * Numbers of another PID name space say nothing here, so they get no name: another process may have
 * the same. The same where /proc is of another name space than this process.
 */
#ifndef HEALD_CMD_PERSON_H
#define HEALD_CMD_PERSON_H

#include <heald/inspect.h>

#include <stdbool.h>

enum { PERSON_SIZE = 128, PERSON_COMMAND_SIZE = 4096 };

/* Does /proc tell of it? */
bool person_is_known(const struct heald_thread_info *thread);

/* "1234 (worker)", or with its thread "1234/1240 (worker)"; in `text`, which it returns. */
char *person_text(const struct heald_thread_info *thread, char text[PERSON_SIZE]);

/* The same without a name: "1234 (why)". */
char *person_text_alone(const struct heald_thread_info *thread, const char *why,
                        char text[PERSON_SIZE]);

/* Its command line, with spaces between the arguments; "" where it is not known. */
char *person_command(const struct heald_thread_info *thread, char text[PERSON_COMMAND_SIZE]);

/* Makes control characters, and what is not UTF-8, question marks: anybody may have written it, and
 * some command a terminal. Returns it. */
char *person_mask(char *text);

#endif
