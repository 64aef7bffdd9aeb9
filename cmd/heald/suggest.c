/*
 * suggest.c: see suggest.h. The distance is the number of characters that are inserted, removed,
 * replaced, or swapped with their neighbour (optimal string alignment). A candidate that begins
 * with the word is near however long it is.
 */
#include "suggest.h"

#include <string.h>

enum { WORD_MAX = 31 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Both words have WORD_MAX characters at most. */
static unsigned distance_of(const char *a, const char *b)
{
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];
    unsigned a_len = (unsigned)strlen(a), b_len = (unsigned)strlen(b);

    for (unsigned i = 0; i <= a_len; i++)
        for (unsigned k = 0; k <= b_len; k++) {
            if (!i || !k) {
                d[i][k] = i + k;
                continue;
            }
            unsigned replaced = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
            d[i][k] = least(d[i - 1][k] + 1, d[i][k - 1] + 1, replaced);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1, d[i][k]);
        }
    return d[a_len][b_len];
}

/* Without the dashes, which two options have in common anyway. */
static const char *bare(const char *word)
{
    return word + strspn(word, "-");
}

void suggest_compare(struct suggestion *s, const char *candidate)
{
    const char *word = bare(s->word), *other = bare(candidate);
    size_t len = strlen(word);

    if (len < 2 || len > WORD_MAX || strlen(other) > WORD_MAX)
        return;
    unsigned distance = strncmp(other, word, len) == 0 ? 0 : distance_of(word, other);
    unsigned max = len < 4 ? 1 : len < 8 ? 2 : 3;
    if (distance > max || (s->best && distance >= s->distance))
        return;
    s->best = candidate;
    s->distance = distance;
}

const char *suggest_nearest(const struct suggestion *s)
{
    return s->best;
}
