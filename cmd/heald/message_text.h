/* message_text.h: a message or sample as `heald recv` and `heald sub` print it. */
#ifndef HEALD_CMD_MESSAGE_TEXT_H
#define HEALD_CMD_MESSAGE_TEXT_H

#include <stddef.h>

enum message_form {
    MESSAGE_LINE,       /* with a line break; control characters are masked on a terminal */
    MESSAGE_TERMINATED, /* with a null byte */
    MESSAGE_BYTES       /* as it is; on a terminal as hexadecimal numbers */
};

void message_print(const void *data, size_t size, enum message_form form);

#endif
