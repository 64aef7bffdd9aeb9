/* suggest.h: which of some known words a misspelt one was meant to be. */
#ifndef HEALD_CMD_SUGGEST_H
#define HEALD_CMD_SUGGEST_H

/* Initialize `word` alone. */
struct suggestion {
    const char *word;
    /* private */
    const char *best; /* NULL: none is near enough */
    unsigned distance;
};

/* Compares one candidate, which lives as long as the suggestion. */
void suggest_compare(struct suggestion *s, const char *candidate);

/* The nearest of the candidates; NULL: none is near enough. The first of equals. */
const char *suggest_nearest(const struct suggestion *s);

#endif
