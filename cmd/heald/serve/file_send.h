/* file_send.h: answers a request: with a file of the directory, in portions, or with a text. */
#ifndef HEALD_CMD_FILE_SEND_H
#define HEALD_CMD_FILE_SEND_H

struct conn;

/*
 * Answers the request that c->parser holds, then calls conn_answered() or conn_close(), later or at
 * once.
 */
void file_send_begin(struct conn *c);

#endif
