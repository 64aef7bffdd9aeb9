/* site.c: see site.h. What /proc and debug information say is anybody's text. */
#include "site.h"

#include "symbols.h"
#include "thread_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

/* One process whose symbols were opened, or could not be. */
struct opened {
    pid_t pid;
    struct symbols *symbols;
};

struct finder {
    unsigned count;
    struct opened *opened;
};

const char *site_text(const struct snapshot_site *site)
{
    return site->source[0] ? site->source : site->address;
}

static const struct symbols *symbols_of(struct finder *f, pid_t pid)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->opened[i].pid == pid)
            return f->opened[i].symbols;
    f->opened = snapshot_grow(f->opened, f->count, sizeof *f->opened);
    f->opened[f->count] = (struct opened){pid, symbols_open(pid)};
    return f->opened[f->count++].symbols;
}

/* "program+0x1234". */
static void find_address(pid_t pid, uint64_t site, char text[SNAPSHOT_SITE_SIZE])
{
    char path[64], line[LINE_SIZE];

    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long long from, to, offset;
        int at = 0;
        if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %n", &from, &to, &offset, &at) < 3 ||
            site < from || site >= to || !at)
            continue;
        const char *file = strrchr(line + at, '/');
        line[strcspn(line, "\n")] = 0;
        snprintf(text, SNAPSHOT_SITE_SIZE, "%s+0x%llx", file ? file + 1 : "?",
                 (unsigned long long)site - from + offset);
        break;
    }
    if (f)
        fclose(f);
}

static void find(struct finder *f, const struct heald_thread_info *thread, uint64_t site,
                 struct snapshot_site *ret_site)
{
    if (!site || !thread_is_known(thread))
        return;
    find_address(thread->pid, site, ret_site->address);
    symbols_find(symbols_of(f, thread->pid), site, ret_site->source, sizeof ret_site->source);
    mask_controls(ret_site->address);
    mask_controls(ret_site->source);
}

static void find_of_object(struct finder *f, const struct snapshot_region *r,
                           struct snapshot_object *o)
{
    const struct heald_object_state *s = &o->state;

    for (unsigned i = 0; i < s->holder_count && i < HEALD_HOLDERS_SHOWN; i++) {
        o->sites = snapshot_grow(o->sites, i, sizeof *o->sites);
        const struct heald_participant_info *holder = snapshot_holder(r, s, i);
        if (holder)
            find(f, &holder->thread, s->holders[i].site, &o->sites[i]);
    }
    for (unsigned i = 0; i < o->wait_count; i++)
        find(f, &r->participants[o->waits[i].participant].thread, o->waits[i].wait->site,
             &o->waits[i].site);
}

void site_find_all(struct snapshot *c)
{
    struct finder f = {0};

    for (unsigned i = 0; i < c->region_count; i++)
        for (unsigned k = 0; k < c->regions[i].object_count; k++)
            find_of_object(&f, &c->regions[i], &c->regions[i].objects[k]);
    for (unsigned i = 0; i < f.count; i++)
        symbols_close(f.opened[i].symbols);
    free(f.opened);
}
