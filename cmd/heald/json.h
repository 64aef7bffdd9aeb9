/* json.h: the one thing of JSON that needs care. */
#ifndef HEALD_CMD_JSON_H
#define HEALD_CMD_JSON_H

/* Prints a string in quotes, escaped; bytes that are not UTF-8 come out as they are. */
void json_string(const char *text);

#endif
